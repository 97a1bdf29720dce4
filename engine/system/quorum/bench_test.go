package quorum_test

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/system/identity/identitytest"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/quorum"
)

// BenchmarkIdle is fifty hosts of ten sites in one process that do nothing: a group
// for each site and one for all. It reports the processor's time for each second.
// Run it with -benchtime 1x.
func BenchmarkIdle(b *testing.B) {
	fleet := identitytest.New(b, "demo")
	addresses := map[string]string{}
	var names []string
	listeners := map[string]net.Listener{}
	for site := range 10 {
		for n := range 5 {
			name := fmt.Sprintf("s%d-%d", site, n)
			names = append(names, name)
			listeners[name] = identitytest.Listen(b)
			addresses[name] = listeners[name].Addr().String()
		}
	}
	all := map[string]*quorum.Quorum{}
	dir := b.TempDir()
	began := time.Now()
	for _, name := range names {
		holder := fleet.Host(b, name)
		q, err := quorum.Open(quorum.Options{
			Host: name, Dir: filepath.Join(dir, name), Clock: loop.NewClock(), Log: slog.New(slog.DiscardHandler), Holder: holder, SegmentSize: 256 << 10,
			Address: func(host string) (string, bool) { return addresses[host], true },
			Timing: func(g replica.GroupID) replica.Timing {
				if g == "fleet" {
					return replica.Far
				}
				return replica.Near
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		all[name] = q
		go func() { _ = q.Run(b.Context()) }()
		identitytest.Serve(b, holder, slog.New(slog.DiscardHandler), listeners[name], q.Protocol())
	}
	var first []replica.Seat
	for site := range 10 {
		var seats []replica.Seat
		for n := range 5 {
			seats = append(seats, replica.Seat{Host: fmt.Sprintf("s%d-%d", site, n)})
		}
		if site < 5 {
			first = append(first, seats[0])
		}
		for _, s := range seats {
			if err := all[s.Host].Create(b.Context(), replica.GroupID(fmt.Sprintf("site/s%d", site)), seats); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, s := range first {
		if err := all[s.Host].Create(b.Context(), "fleet", first); err != nil {
			b.Fatal(err)
		}
	}
	for _, q := range all {
		for _, g := range q.Status().Groups {
			for changed := q.Changed(); ; changed = q.Changed() {
				if st := status(q, g.Group); st.Leader != "" {
					break
				}
				<-changed
			}
		}
	}
	b.Logf("all lead or follow after %s", time.Since(began).Round(time.Millisecond))
	for b.Loop() {
		from, at := spent(), time.Now()
		<-time.After(5 * time.Second)
		b.ReportMetric(float64((spent()-from).Milliseconds())/time.Since(at).Seconds(), "cpu-ms/s")
	}
}

func status(q *quorum.Quorum, group replica.GroupID) replica.GroupStatus {
	for _, g := range q.Status().Groups {
		if g.Group == group {
			return g
		}
	}
	return replica.GroupStatus{}
}

// spent is what this process had of the processor.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
