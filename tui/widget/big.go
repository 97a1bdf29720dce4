package widget

import "github.com/holdfast-edge/holdfast/tui/theme"

// signs are what Big and Banner can draw: digits, and the letters of the
// wallboard's words.
var signs = map[rune][4]string{
	'0': {"▄▀▀▀▄", "█   █", "█   █", " ▀▀▀ "}, '1': {" ▄█  ", "  █  ", "  █  ", " ▀▀▀ "},
	'2': {"▄▀▀▀▄", "  ▄▄▀", "▄▀   ", "▀▀▀▀▀"}, '3': {"▀▀▀▀▄", " ▄▄▄▀", "    █", "▀▀▀▀ "},
	'4': {"  ▄█ ", "▄▀ █ ", "▀▀▀█▀", "   ▀ "}, '5': {"█▀▀▀▀", "▀▀▀▀▄", "    █", "▀▀▀▀ "},
	'6': {"▄▀▀▀ ", "█▄▄▄ ", "█   █", " ▀▀▀ "}, '7': {"▀▀▀▀█", "   ▄▀", "  █  ", "  ▀  "},
	'8': {"▄▀▀▀▄", "▀▄▄▄▀", "█   █", " ▀▀▀ "}, '9': {"▄▀▀▀▄", "▀▄▄▄█", "    █", " ▀▀▀ "},
	'.': {" ", " ", " ", "▀"}, '-': {"     ", "▄▄▄▄▄", "     ", "     "}, ' ': {"  ", "  ", "  ", "  "},
	'A': {"▄▀▀▀▄", "█▄▄▄█", "█   █", "▀   ▀"}, 'D': {"█▀▀▀▄", "█   █", "█   █", "▀▀▀▀ "},
	'E': {"█▀▀▀▀", "█▀▀▀ ", "█    ", "▀▀▀▀▀"}, 'I': {"▀█▀", " █ ", " █ ", "▀▀▀"},
	'K': {"█  ▄▀", "█▄▀  ", "█ ▀▄ ", "▀   ▀"}, 'L': {"█    ", "█    ", "█    ", "▀▀▀▀▀"},
	'N': {"█▄  █", "█ █ █", "█  ▀█", "▀   ▀"}, 'O': {"▄▀▀▀▄", "█   █", "█   █", " ▀▀▀ "},
	'R': {"█▀▀▀▄", "█▄▄▄▀", "█ ▀▄ ", "▀   ▀"}, 'S': {"▄▀▀▀▀", " ▀▀▀▄", "    █", "▀▀▀▀ "},
	'T': {"▀▀█▀▀", "  █  ", "  █  ", "  ▀  "}, 'W': {"█   █", "█ ▄ █", "█▄▀▄█", "▀   ▀"},
}

// Big draws digits four rows high and returns the column after them.
func (c *Canvas) Big(x, y int, k theme.Token, s string) int {
	for _, r := range s {
		d, ok := signs[r]
		if !ok {
			continue
		}
		n := 0
		for row, line := range d {
			n = Width(line)
			i := 0
			for _, g := range line {
				if g != ' ' {
					c.Put(x+i, y+row, k, g)
				}
				i++
			}
		}
		x += n + 1
	}
	return x
}

// Banner draws signs scale times as large as Big: 4*scale rows high. It returns
// the column after them.
func (c *Canvas) Banner(x, y, scale int, k theme.Token, s string) int {
	for _, r := range s {
		d, ok := signs[r]
		if !ok {
			continue
		}
		n := 0
		for row, line := range d {
			n = Width(line)
			i := 0
			for _, g := range line {
				for half := range 2 {
					if g == '█' || g == '▀' && half == 0 || g == '▄' && half == 1 {
						c.dots(x+i*scale, 2*(scale*row)+half*scale+2*y, scale, k)
					}
				}
				i++
			}
		}
		x += (n + 1) * scale
	}
	return x
}

// dots fills a square of size columns and size half rows; y counts half rows.
func (c *Canvas) dots(x, y, size int, k theme.Token) {
	for j := y; j < y+size; j++ {
		for i := x; i < x+size; i++ {
			half, other := '▀', '▄'
			if j%2 == 1 {
				half, other = other, half
			}
			if at := c.At(i, j/2).Rune; at == other || at == '█' {
				half = '█'
			}
			c.Put(i, j/2, k, half)
		}
	}
}

// BannerWidth is how wide Banner draws s.
func BannerWidth(s string, scale int) int {
	n := 0
	for _, r := range s {
		if d, ok := signs[r]; ok {
			n += (Width(d[0]) + 1) * scale
		}
	}
	return max(n-scale, 0)
}
