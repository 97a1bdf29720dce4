//go:build !linux

package probing

import "syscall"

// attributes are those of a program: a group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// ended reports false: here nothing waits for a child without reaping it, and
// once it is reaped its group's number may be another's.
func ended(int) bool { return false }
