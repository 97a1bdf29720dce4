package tui

import "github.com/holdfast-edge/holdfast/tui/page"

// agentPages is how many pages, at the end, a fleet has only if its hosts are real
// ones.
const agentPages = 1

// newPages lists the pages. The place in the list is the page's number key.
func newPages() []page.Page {
	return []page.Page{
		page.NewOverview(),
		page.NewPools(),
		page.NewBackends(),
		page.NewDrills(),
		page.NewEvents(),
		page.NewFaults(),
		page.NewHosts(),
	}
}

// screens are the pages that this fleet has.
func (a *app) screens() []page.Page {
	if s := a.x.Status; s != nil && s.Agents() {
		return a.pages
	}
	return a.pages[:len(a.pages)-agentPages]
}
