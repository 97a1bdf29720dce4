// Command bench prints what the data paths reach as ratios to haproxy and to
// going direct, measured in one run, interleaved, in network namespaces.
//
// Absolute figures of a shared machine drift by a factor of two within
// minutes, so each round measures every contender once and the ratio is taken
// within the round; what is printed is the median of the rounds. Needs root.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

func main() {
	binary := flag.String("binary", "bin/holdfast", "the binary to measure; empty: the peers alone")
	rounds := flag.Int("rounds", 3, "rounds; medians are printed")
	length := flag.Duration("length", 3*time.Second, "of each measurement")
	only := flag.String("only", "", "one scenario: keepalive, connections, bodies")
	short := flag.Bool("short", false, "the whole table in less than four minutes")
	flag.Parse()
	if *short {
		*rounds, *length = 3, 2*time.Second
	}
	os.Exit(lab.Supervise(func() int {
		if err := run(*binary, *rounds, *length, *only); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 1
		}
		return 0
	}))
}

func run(binary string, rounds int, length time.Duration, only string) (err error) {
	if binary != "" {
		if binary, err = filepath.Abs(binary); err != nil {
			return err
		}
	}
	dir, err := lab.TempDir()
	if err != nil {
		return err
	}
	stage, err := lab.NewStage(dir)
	if err != nil {
		return err
	}
	defer func() {
		if e := stage.Close(); e != nil && err == nil {
			err = e
		}
	}()
	if _, err := stage.Nginx(8001); err != nil {
		return err
	}
	contenders, err := start(stage, binary)
	if err != nil {
		return err
	}
	fmt.Printf("Medians of %d interleaved rounds of %v; ratios are taken within each round.\n", rounds, length)
	for _, s := range scenarios {
		if only != "" && only != s.name {
			continue
		}
		results := make([][]result, len(contenders))
		for round := range rounds {
			for i := range contenders {
				// Each round begins with another contender, so that none always
				// runs after the same neighbour.
				j := (i + round) % len(contenders)
				r, err := measure(stage, s, contenders[j], length)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, contenders[j].name, err)
				}
				results[j] = append(results[j], r)
			}
		}
		report(os.Stdout, s, contenders, results)
	}
	return nil
}
