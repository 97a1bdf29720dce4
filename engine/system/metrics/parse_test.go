package metrics_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// exposition is a page of the text format, read back.
type exposition struct {
	kinds   map[string]string  // by family
	samples map[string]float64 // by name{label="value",…} with sorted labels
}

var (
	nameForm  = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelForm = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// parse reads the text format as strictly as its description allows: HELP and
// TYPE once, before the samples; the samples of a family together; no sample
// twice; the three escapes and no others.
func parse(text string) (*exposition, error) {
	e := &exposition{kinds: map[string]string{}, samples: map[string]float64{}}
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line has no end")
	}
	helped, family := map[string]bool{}, ""
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fail := func(format string, a ...any) error {
			return fmt.Errorf("line %d: %s: %s", n+1, fmt.Sprintf(format, a...), line)
		}
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, ok := strings.Cut(rest, " ")
			if !ok || help == "" || helped[name] {
				return nil, fail("HELP is empty or stands twice")
			}
			helped[name] = true
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if !nameForm.MatchString(name) || !helped[name] || e.kinds[name] != "" {
				return nil, fail("TYPE of a bad name, without HELP, or twice")
			}
			if !slices.Contains([]string{"counter", "gauge", "summary"}, kind) {
				return nil, fail("no type")
			}
			if (kind == "counter") != strings.HasSuffix(name, "_total") {
				return nil, fail("counters end in _total, and nothing else does")
			}
			e.kinds[name], family = kind, name
			continue
		}
		key, value, err := sample(line)
		if err != nil {
			return nil, fail("%v", err)
		}
		name, _, _ := strings.Cut(key, "{")
		if base := strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count"); base != family || base != name && e.kinds[family] != "summary" {
			return nil, fail("stands in family %s", family)
		}
		if _, twice := e.samples[key]; twice {
			return nil, fail("stands twice")
		}
		if e.kinds[name] == "summary" != strings.Contains(key, `quantile="`) {
			return nil, fail("quantiles are of summaries")
		}
		if e.kinds[name] == "counter" && !(value >= 0) {
			return nil, fail("a counter below 0")
		}
		e.samples[key] = value
	}
	return e, nil
}

// sample reads name{label="value",…} value.
func sample(line string) (key string, value float64, err error) {
	end := strings.IndexAny(line, "{ ")
	if end < 0 || !nameForm.MatchString(line[:end]) {
		return "", 0, fmt.Errorf("no name")
	}
	name, rest := line[:end], line[end:]
	var labels []string
	if rest[0] == '{' {
		for rest = rest[1:]; ; rest = rest[1:] {
			label, after, ok := strings.Cut(rest, `="`)
			if !ok || !labelForm.MatchString(label) {
				return "", 0, fmt.Errorf("no label at %q", rest)
			}
			text, size := "", 0
			for size = 0; size < len(after) && after[size] != '"'; size++ {
				c := after[size]
				if c == '\\' {
					size++
					i := strings.IndexByte(`\"n`, after[size])
					if i < 0 {
						return "", 0, fmt.Errorf("no escape: %q", after[size])
					}
					c = "\\\"\n"[i]
				}
				text += string(c)
			}
			labels = append(labels, fmt.Sprintf("%s=%q", label, text))
			rest = after[size+1:]
			if rest == "" || rest[0] != ',' && rest[0] != '}' {
				return "", 0, fmt.Errorf("the labels do not end")
			}
			if rest[0] == '}' {
				rest = rest[1:]
				break
			}
		}
	}
	slices.Sort(labels)
	if len(slices.Compact(slices.Clone(labels))) != len(labels) {
		return "", 0, fmt.Errorf("a label twice")
	}
	if !strings.HasPrefix(rest, " ") {
		return "", 0, fmt.Errorf("no value")
	}
	v, err := strconv.ParseFloat(rest[1:], 64)
	if err != nil || math.IsInf(v, 0) {
		return "", 0, fmt.Errorf("no value: %q", rest)
	}
	if len(labels) == 0 {
		return name, v, nil
	}
	return name + "{" + strings.Join(labels, ",") + "}", v, nil
}
