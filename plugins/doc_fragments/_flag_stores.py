# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the options that say where a flag set is kept."""

from __future__ import annotations


class ModuleDocFragment:
    """Beside `_flags.stores.SPEC`: one option for each kind of store."""

    DOCUMENTATION = r"""
options:
  stores:
    description:
      - The stores of the set besides the one in the fleet's cluster, which is ConfigMap O(config_map) in O(namespace)
        and is named C(fleet) in results.
      - Each one has a name and one of the other options.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name, for results and messages.
        type: str
        required: true
      redis:
        description:
          - A Redis. Clients read the key C({PREFIX}:document) and listen on the channel C({PREFIX}:changed); the braces
            are part of the names.
        type: dict
        suboptions:
          url:
            description:
              - C(redis://HOST:PORT/DATABASE), or C(rediss://) for TLS. With O(stores[].redis.mode=sentinel) the hosts
                of the sentinels, and with O(stores[].redis.mode=cluster) some of the nodes, with commas in between.
              - It holds no user and no password.
            type: str
            required: true
          mode:
            description: Whether it is one server, the master that sentinels name, or a cluster.
            type: str
            choices: [single, sentinel, cluster]
            default: single
          service:
            description: The name of the master that sentinels watch.
            type: str
          username:
            description: The user of its ACL.
            type: str
          password_file:
            description: A file with the password.
            type: path
          ca_cert:
            description: A file with the authorities to trust.
            type: path
          client_cert:
            description: A file with the certificate to show.
            type: path
          client_key:
            description: A file with the key of that certificate.
            type: path
          prefix:
            description: What the names of its keys begin with.
            type: str
            default: pincex-flags
      configmap:
        description:
          - A ConfigMap of a region. Pods mount it as a folder (never by C(subPath)) and find C(flags.flagd.json) in it.
        type: dict
        suboptions:
          kubeconfig:
            description: The file that says how to reach the cluster. That of the task when it is not given.
            type: path
          context:
            description: The context to use.
            type: str
            required: true
          namespace:
            description: The namespace. It has to exist.
            type: str
            required: true
          config_map:
            description: The name of the ConfigMap. Those of the history begin with it.
            type: str
            default: pincex-flags
      file:
        description: A file of the controller, with its ledger and its history beside it. The folder has to exist.
        type: dict
        suboptions:
          path:
            description: The file.
            type: path
            required: true
"""
