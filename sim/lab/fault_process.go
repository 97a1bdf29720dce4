package lab

import "syscall"

// Kill ends the program and its children as a crash does: without a word.
func (p *Process) Kill() error { return p.Signal(syscall.SIGKILL) }

// Pause stops the program, as a busy hypervisor does: its connections stay open
// and nobody answers. Resume lets it go on.
func (p *Process) Pause() error { return p.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }
