//go:build linux && amd64

package lab

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The wall clock of one process can be stepped without that of the machine: a
// program asks the vDSO, which is code that the kernel maps into each process, and
// in a process of ours that code can be replaced. Its clock_gettime begins with a
// jump into the unused end of the vDSO's last page then, where askAndAdd makes the
// true system call and adds a number of seconds if the wall clock was asked for.
// The monotonic clock, timers and the times of files stay what they are, as when
// somebody sets a machine's clock.
//
//	mov  eax, 228            SYS_clock_gettime; rdi and rsi are its arguments
//	syscall
//	test edi, edi            CLOCK_REALTIME is 0
//	jne  end
//	test eax, eax
//	jne  end
//	mov  rcx, [rip+10]       the seconds, below
//	add  [rsi], rcx          timespec.tv_sec
//	end: ret
//	(to a multiple of eight) the seconds
var askAndAdd = []byte{
	0xb8, 0xe4, 0x00, 0x00, 0x00,
	0x0f, 0x05,
	0x85, 0xff,
	0x75, 0x0e,
	0x85, 0xc0,
	0x75, 0x0a,
	0x48, 0x8b, 0x0d, 0x0a, 0x00, 0x00, 0x00,
	0x48, 0x01, 0x0e,
	0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
}

// hookSize is the code with its number.
var hookSize = len(askAndAdd) + 8

// StepClock moves the wall clock of the program, not of its children, to so many
// whole seconds from the machine's. It comes back with 0.
func (p *Process) StepClock(by time.Duration) error {
	if by%time.Second != 0 {
		return fmt.Errorf("lab: a clock is stepped by whole seconds, not by %v", by)
	}
	if p.clock == 0 {
		at, err := hookClock(p.PID())
		if err != nil {
			return fmt.Errorf("lab: the clock of process %d: %w", p.PID(), err)
		}
		p.clock = at
	}
	// Eight bytes in place: a thread that reads them meanwhile sees the old or the
	// new number.
	var seconds [8]byte
	binary.LittleEndian.PutUint64(seconds[:], uint64(by/time.Second))
	return poke(p.PID(), p.clock, seconds[:])
}

// hookClock replaces a process's clock_gettime and returns where its seconds are.
func hookClock(pid int) (seconds uint64, err error) {
	// No thread may be amid the bytes that change.
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, syscall.Kill(pid, syscall.SIGCONT)) }()
	start, image, err := vdso(pid)
	if err != nil {
		return 0, err
	}
	entry, free, err := places(image)
	if err != nil {
		return 0, err
	}
	if err := stopped(pid, start+entry+1, start+entry+jumpSize); err != nil {
		return 0, err
	}
	if err := poke(pid, start+free, append(bytes.Clone(askAndAdd), make([]byte, 8)...)); err != nil {
		return 0, err
	}
	jump := make([]byte, jumpSize)
	jump[0] = 0xe9 // jmp, by a distance from its end
	binary.LittleEndian.PutUint32(jump[1:], uint32(int32(free)-int32(entry+jumpSize)))
	return start + free + uint64(len(askAndAdd)), poke(pid, start+entry, jump)
}

const jumpSize = 5

// vdso reads a process's vDSO.
func vdso(pid int) (start uint64, image []byte, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, nil, err
	}
	for line := range strings.Lines(string(maps)) {
		var end uint64
		if !strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &start, &end); err != nil {
			return 0, nil, err
		}
		f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
		if err != nil {
			return 0, nil, err
		}
		defer f.Close()
		image = make([]byte, end-start)
		_, err = f.ReadAt(image, int64(start))
		return start, image, err
	}
	return 0, nil, errors.New("it has no vDSO")
}

// places says where clock_gettime is in a vDSO, and where nothing is.
func places(image []byte) (entry, free uint64, err error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return 0, 0, fmt.Errorf("its vDSO: %w", err)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return 0, 0, fmt.Errorf("its vDSO: %w", err)
	}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" {
			entry = s.Value
		}
	}
	if entry == 0 {
		return 0, 0, errors.New("its vDSO has no clock_gettime")
	}
	// Behind the last byte that is not nothing, at a multiple of 16.
	used := len(bytes.TrimRight(image, "\x00"))
	free = uint64(used+31) &^ 15
	if int(free)+hookSize > len(image) {
		return 0, 0, errors.New("its vDSO has no room")
	}
	return entry, free, nil
}

// stopped waits until every thread of a process has stopped, and none of them
// between two addresses.
func stopped(pid int, from, to uint64) error {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	if err != nil || len(tasks) == 0 {
		return fmt.Errorf("it has no threads: %w", err)
	}
	for _, task := range tasks {
		for range 1000 {
			b, err := os.ReadFile(task)
			if errors.Is(err, os.ErrNotExist) {
				break
			}
			fields := strings.Fields(string(b))
			if err == nil && len(fields) >= 3 { // "running" until it has stopped
				at, err := strconv.ParseUint(strings.TrimPrefix(fields[len(fields)-1], "0x"), 16, 64)
				if err != nil {
					return err
				}
				if at >= from && at < to {
					return errors.New("a thread is amid clock_gettime; try again")
				}
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// poke writes into a process's memory, also where that is not for writing.
func poke(pid int, at uint64, b []byte) error {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := f.WriteAt(b, int64(at))
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}
