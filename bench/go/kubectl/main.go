// Copyright: (c) 2026, Pincex release engineering
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// kubectl of the version of the lab's API server: the one of the machine may
// be any version, or a wrapper that picks another one.
package main

import (
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
