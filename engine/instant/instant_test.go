package instant_test

import (
	"math"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

func TestAddSaturates(t *testing.T) {
	for _, row := range []struct {
		name string
		from instant.Instant
		add  time.Duration
		want instant.Instant
	}{
		{"forward", 5, 7, 12},
		{"back", 5, -3, 2},
		{"back past the origin", 5, -9, 0},
		{"past the end", math.MaxInt64 - 1, 5, instant.Never},
		{"never stays never", instant.Never, -time.Hour, instant.Never},
	} {
		if got := row.from.Add(row.add); got != row.want {
			t.Errorf("%s: Instant(%d).Add(%d) = %d, want %d", row.name, row.from, row.add, got, row.want)
		}
	}
}

func TestNeverIsNotReached(t *testing.T) {
	if instant.Never.Reached(instant.Never) {
		t.Error("Never was reached at Never")
	}
	if !instant.Instant(3).Reached(3) {
		t.Error("a deadline is reached at its own instant")
	}
}

func TestEarliest(t *testing.T) {
	if got := instant.Earliest(); got != instant.Never {
		t.Errorf("Earliest() = %d, want Never", got)
	}
	if got := instant.Earliest(9, 4, instant.Never); got != 4 {
		t.Errorf("Earliest = %d, want 4", got)
	}
}

func TestOriginIgnoresTheMonotonicReading(t *testing.T) {
	zero := time.Date(2026, 11, 24, 12, 0, 0, 0, time.FixedZone("JST", 9*3600))
	o := instant.OriginAt(zero)
	if got, want := o.Wall(instant.Instant(time.Second)), zero.Add(time.Second); !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("Wall = %v, want %v in UTC", got, want)
	}
	if !o.Wall(instant.Never).IsZero() {
		t.Error("Never has a wall-clock time")
	}
}
