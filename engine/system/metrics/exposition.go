package metrics

import (
	"math"
	"strconv"
	"strings"
)

// ContentType of the text format.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// kind is a metric's type in the text format.
type kind string

const (
	counter kind = "counter"
	gauge   kind = "gauge"
	summary kind = "summary"
)

// page is a text exposition being written. The format wants all samples of a
// family together, after its HELP and TYPE.
type page struct{ b []byte }

// family begins a family.
func (p *page) family(name string, k kind, help string) {
	p.b = append(p.b, "# HELP "...)
	p.b = append(p.b, name...)
	p.b = append(p.b, ' ')
	p.b = append(p.b, helpEscapes.Replace(help)...)
	p.b = append(p.b, "\n# TYPE "...)
	p.b = append(p.b, name...)
	p.b = append(p.b, ' ')
	p.b = append(p.b, k...)
	p.b = append(p.b, '\n')
}

// sample adds one. more are labels beside those of the subject, in pairs.
func (p *page) sample(name string, subject labels, v float64, more ...string) {
	p.b = append(p.b, name...)
	if subject != "" || len(more) > 0 {
		p.b = append(p.b, '{')
		p.b = append(p.b, subject...)
		for i := 0; i+1 < len(more); i += 2 {
			if i > 0 || subject != "" {
				p.b = append(p.b, ',')
			}
			p.b = appendLabel(p.b, more[i], more[i+1])
		}
		p.b = append(p.b, '}')
	}
	p.b = append(p.b, ' ')
	p.b = appendValue(p.b, v)
	p.b = append(p.b, '\n')
}

// labels are written once for each subject and used in all of its samples.
type labels string

// labelsOf writes name and value pairs.
func labelsOf(pairs ...string) labels {
	var b []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendLabel(b, pairs[i], pairs[i+1])
	}
	return labels(b)
}

// The text format escapes these and no others, and takes UTF-8 for the rest.
var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	valueEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func appendLabel(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, `="`...)
	b = append(b, valueEscapes.Replace(strings.ToValidUTF8(value, "\uFFFD"))...)
	return append(b, '"')
}

func appendValue(b []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(b, "NaN"...)
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.AppendInt(b, int64(v), 10)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}
