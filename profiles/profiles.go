// Package profiles holds the fleets that ship with Holdfast, as YAML that a
// user can copy and change.
package profiles

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Default is the profile that runs when none is named.
const Default = "three-sites"

// Names lists the profiles, the default one first.
func Names() []string { return []string{Default, "single-site", "multi-active", "primary-secondary"} }

// Read returns a profile's text.
func Read(name string) ([]byte, error) {
	for _, n := range Names() {
		if n == name {
			return files.ReadFile(name + ".yaml")
		}
	}
	return nil, fmt.Errorf("profiles: there is no profile %q; there are %s", name, strings.Join(Names(), ", "))
}
