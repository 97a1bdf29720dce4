package shot_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	uv "github.com/charmbracelet/ultraviolet"

	"github.com/holdfast-edge/holdfast/tui/internal/shot"
)

// TestSVG: words on their cells, lines and blocks as rectangles, and nothing
// that is not XML, whatever is on the screen.
func TestSVG(t *testing.T) {
	const w, h = 40, 3
	buf := uv.NewScreenBuffer(w, h)
	uv.NewStyledString("\x1b[1;38;5;203mDOWN\x1b[m a<b & \"c\" ──── █▄\n\x1b[7m PROD \x1b[m \x1b[2mfaint\x1b[m 漢字\n").Draw(buf, buf.Bounds())
	for _, light := range []bool{false, true} {
		svg := shot.SVG(buf, w, h, light, "a <title>")
		d := xml.NewDecoder(strings.NewReader(svg))
		texts, rects := 0, 0
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("not XML: %v\n%s", err, svg)
			}
			if e, ok := token.(xml.StartElement); ok {
				switch e.Name.Local {
				case "text":
					texts++
				case "rect":
					rects++
				}
			}
		}
		// DOWN, a<b, &, "c", PROD, faint, and the two wide ones as one word.
		if texts != 7 {
			t.Errorf("%d words, want 7\n%s", texts, svg)
		}
		// The ground, PROD's background, the line, and two blocks.
		if rects != 5 {
			t.Errorf("%d rectangles, want 5\n%s", rects, svg)
		}
		for _, want := range []string{"#ff5f5f", "font-weight:700", ">a&lt;b<", "<title>a &lt;title&gt;</title>"} {
			if !strings.Contains(svg, want) {
				t.Errorf("the picture lacks %s", want)
			}
		}
		if strings.ContainsAny(svg, "─█▄") {
			t.Error("a line is drawn as text")
		}
	}
}
