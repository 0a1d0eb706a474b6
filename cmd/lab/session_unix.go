//go:build unix

package lab

import "syscall"

// ownSession keeps a terminal's Ctrl-C and hang-up away from the lab.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
