package page

import (
	"cmp"
	"slices"

	"github.com/holdfast-edge/holdfast/tui/widget"
)

// block is a part of a page, one above the other.
type block struct {
	least int // rows that it needs to say anything; with fewer it is left out
	want  int // rows with which it says all
	rank  int // who gets rows first: the smallest
	draw  func(c *widget.Canvas)
	rows  int
}

// stack gives each block its rows and draws them. Left-over rows become blank
// lines between blocks, and what then remains goes to the last one.
func stack(c *widget.Canvas, blocks []block) {
	order := make([]*block, len(blocks))
	for i := range blocks {
		order[i] = &blocks[i]
	}
	slices.SortStableFunc(order, func(a, b *block) int { return cmp.Compare(a.rank, b.rank) })
	left := c.H
	for _, b := range order {
		if b.want > 0 && b.least <= left {
			b.rows = min(b.least, b.want)
			left -= b.rows
		}
	}
	shown := 0
	for _, b := range order {
		if b.rows > 0 {
			more := min(b.want-b.rows, left)
			b.rows += more
			left -= more
			shown++
		}
	}
	gaps := 0
	if shown > 1 && left >= shown-1 {
		gaps = 1
		left -= shown - 1
	}
	y := 0
	for i := range blocks {
		b := &blocks[i]
		if b.rows == 0 {
			continue
		}
		rows := b.rows
		if i == len(blocks)-1 {
			rows += left
		}
		b.draw(c.Sub(0, y, c.W, rows))
		y += rows + gaps
	}
}
