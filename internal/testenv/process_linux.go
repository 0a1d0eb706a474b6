package testenv

import "syscall"

// childAttributes puts an engine into a group of its own and lets the kernel
// kill it when this process dies without having stopped it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
