// Command facts compares facts with an embedded etcd: three hosts each, processes
// of their own, TLS between all and to the client, journals with fsync on the same
// disk, one client connection, linearizable all through.
//
// Absolute figures of a shared machine drift, so each round measures every contender
// once and ratios are taken within the round; what is printed is the median of the
// rounds.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	var err error
	switch verb := append(os.Args, "")[1]; verb {
	case "member":
		err = member(os.Args[2:])
	case "client":
		err = client(os.Args[2:])
	default:
		err = compare(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "facts:", err)
		os.Exit(1)
	}
}

// settings of a comparison.
type settings struct {
	rounds int
	length time.Duration
	kills  int
	size   int
}

func compare(args []string) error {
	var s settings
	f := flag.NewFlagSet("facts", flag.ContinueOnError)
	etcd := f.String("etcd", "", "the program with the embedded etcd; empty: facts alone")
	parent := f.String("dir", ".", "where to put the journals: on a real disk")
	f.IntVar(&s.rounds, "rounds", 3, "rounds; medians are printed")
	f.DurationVar(&s.length, "length", 3*time.Second, "of each load")
	f.IntVar(&s.kills, "kills", 5, "of the leader, in each round")
	f.IntVar(&s.size, "size", 256, "bytes of a value")
	if err := f.Parse(args); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(*parent, "facts-bench-")
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	certs := filepath.Join(dir, "certs")
	if err := os.Mkdir(certs, 0o700); err != nil {
		return err
	}
	if err := issue(certs, hosts, visitor); err != nil {
		return err
	}
	all := []contender{{name: "facts", program: self}}
	if *etcd != "" {
		program, err := filepath.Abs(*etcd)
		if err != nil {
			return err
		}
		// Its tuning page: a heartbeat of about the round trip, ten times that and no
		// less for an election. What is tuned here is as quick as facts are.
		all = append(all, contender{name: "etcd", program: program},
			contender{name: "etcd, tuned", program: program, heartbeat: 30 * time.Millisecond, election: 150 * time.Millisecond})
	}
	results := make([][]result, len(all))
	for round := range s.rounds {
		for i := range all {
			j := (i + round) % len(all) // so that none always runs after the same one
			r, err := measure(all[j], s, filepath.Join(dir, fmt.Sprintf("%d-%d", round, j)), certs)
			if err != nil {
				return err
			}
			results[j] = append(results[j], r)
		}
	}
	report(os.Stdout, s, all, results)
	return nil
}
