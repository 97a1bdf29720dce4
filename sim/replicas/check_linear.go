package replicas

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// The kinds of operation.
const (
	opRead = iota
	opWrite
	opSwap // write if the value is the one that was read
)

// operation is what a client asked and what it heard. One that returns Never may
// have been carried out at any time since, or not at all.
type operation struct {
	kind             int
	group            replica.GroupID
	key              string
	value            string // read or written; empty: there is none
	expect           string
	refused          bool
	called, returned instant.Instant
}

func (o *operation) where() string { return string(o.group) + " " + o.key }

func (o *operation) String() string {
	s := fmt.Sprintf("%.4f..%.4f %s ", float64(o.called)/1e9, float64(o.returned)/1e9, o.where())
	if o.returned == instant.Never {
		s = fmt.Sprintf("%.4f..?      %s ", float64(o.called)/1e9, o.where())
	}
	switch o.kind {
	case opRead:
		return s + fmt.Sprintf("is %q", o.value)
	case opWrite:
		return s + fmt.Sprintf("= %q", o.value)
	}
	return s + fmt.Sprintf("%q -> %q refused %v", o.expect, o.value, o.refused)
}

// model is a register for each key.
var model = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, x := range all {
			key := x.Input.(*operation).where()
			by[key] = append(by[key], x)
		}
		var parts [][]porcupine.Operation
		for _, key := range sortedKeys(by) {
			parts = append(parts, slices.Clone(by[key]))
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		o := input.(*operation)
		value := state.(string)
		switch o.kind {
		case opRead:
			return o.value == value, value
		case opWrite:
			return true, o.value
		}
		switch {
		case o.returned == instant.Never:
			if value == o.expect {
				return true, o.value
			}
			return true, value
		case o.refused:
			return value != o.expect, value
		}
		return value == o.expect, o.value
	},
	DescribeOperation: func(input, _ any) string { return input.(*operation).String() },
}
