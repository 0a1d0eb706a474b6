package lab

import "syscall"

// ownSession keeps a console's Ctrl-C away from the lab.
func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
