// Package shell runs the command lines that users give, such as with --exec: by the system's shell, in a process group
// of their own, which ends with all that it started when its context does.
package shell
