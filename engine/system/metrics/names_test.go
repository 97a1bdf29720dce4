package metrics_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/metrics"
)

// things are what THING stands for in the package's page, and the labels that
// name one.
var things = map[string]string{
	"site": "site", "host": "host site", "listener": "listener site", "pool": "pool site", "backend": "backend pool site", "clients": "clients site",
}

// TestEveryMetricIsDocumented: the page of the package lists what is served, with
// type and labels, and nothing else.
func TestEveryMetricIsDocumented(t *testing.T) {
	page, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	row := regexp.MustCompile(`(?m)^//\t((?:holdfast|go|process)_\w+) +(counter|gauge|summary)(?: +\{([a-z_, ]*)\})?  `)
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })
		note := func(name string, labels []string) {
			if _, twice := documented[name]; twice {
				t.Errorf("%s stands twice in doc.go", name)
			}
			slices.Sort(labels)
			documented[name] = m[2] + fmt.Sprint(labels)
		}
		if !strings.Contains(m[1], "_THING_") {
			note(m[1], labels)
			continue
		}
		for thing, own := range things {
			note(strings.Replace(m[1], "THING", thing, 1), append(strings.Fields(own), labels...))
		}
	}
	e, err := parse(string(metrics.Exposition(picture(), "1", time.Now())))
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]string{}
	label := regexp.MustCompile(`([a-z_]+)="`)
	for name, kind := range e.kinds {
		set := map[string]bool{}
		for key := range e.samples {
			if key != name && !strings.HasPrefix(key, name+"{") {
				continue
			}
			for _, m := range label.FindAllStringSubmatch(key, -1) {
				set[m[1]] = true
			}
		}
		served[name] = kind + fmt.Sprint(slices.Sorted(maps.Keys(set)))
	}
	for _, name := range slices.Sorted(maps.Keys(served)) {
		if documented[name] != served[name] {
			t.Errorf("%s is served as %s and documented as %q", name, served[name], documented[name])
		}
	}
	for name := range documented {
		if _, ok := served[name]; !ok {
			t.Errorf("%s is documented and not served", name)
		}
	}
}
