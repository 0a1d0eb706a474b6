//go:build unix && !linux

package testenv

import "syscall"

// childAttributes puts an engine into a group of its own.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
