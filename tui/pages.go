package tui

import "github.com/holdfast-edge/holdfast/tui/page"

// newPages lists the pages. The place in the list is the page's number key.
func newPages() []page.Page {
	return []page.Page{
		page.NewOverview(),
		page.NewPools(),
		page.NewBackends(),
		page.NewDrills(),
		page.NewEvents(),
		page.NewFaults(),
	}
}
