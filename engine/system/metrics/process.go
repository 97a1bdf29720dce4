package metrics

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process writes what this process itself uses, under the names that all
// exporters use. What the system does not tell is left out.
func process(p *page) {
	p.one("go_goroutines", gauge, "Goroutines that exist.", float64(runtime.NumGoroutine()))
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		cpu := time.Duration(u.Utime.Nano() + u.Stime.Nano())
		p.one("process_cpu_seconds_total", counter, "Processor time that was used.", cpu.Seconds())
	}
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			if pages, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				p.one("process_resident_memory_bytes", gauge, "Memory that is resident.", float64(pages)*float64(os.Getpagesize()))
			}
		}
	}
	if d, err := os.Open("/proc/self/fd"); err == nil {
		names, err := d.Readdirnames(-1)
		_ = d.Close()
		if err == nil {
			p.one("process_open_fds", gauge, "File descriptors that are open.", float64(len(names)-1)) // one of them is this directory's
		}
	}
	if b, err := os.ReadFile("/proc/self/limits"); err == nil {
		for line := range bytes.Lines(b) {
			if rest, ok := bytes.CutPrefix(line, []byte("Max open files")); ok {
				if f := bytes.Fields(rest); len(f) > 0 {
					if n, err := strconv.ParseUint(string(f[0]), 10, 64); err == nil {
						p.one("process_max_fds", gauge, "File descriptors that may be open.", float64(n))
					}
				}
			}
		}
	}
}
