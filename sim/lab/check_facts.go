package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// model is a register for each key.
var model = porcupine.Model{
	Partition: func(all []porcupine.Operation) (parts [][]porcupine.Operation) {
		at := map[string]int{}
		for _, x := range all {
			key := x.Input.(*Operation).Key
			i, ok := at[key]
			if !ok {
				i = len(parts)
				at[key], parts = i, append(parts, nil)
			}
			parts[i] = append(parts[i], x)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		o, value := input.(*Operation), state.(string)
		switch {
		case o.Kind == opGet:
			return o.Value == value, value
		case o.Kind == opPut:
			return true, o.Value
		case o.Unknown:
			if value == o.Expect {
				value = o.Value
			}
			return true, value
		case o.Refused:
			// A value that was written twice may look unchanged; the clients write none
			// twice.
			return value != o.Expect, value
		}
		return value == o.Expect, o.Value
	},
	DescribeOperation: func(input, _ any) string { return input.(*Operation).String() },
}

// CheckFacts says why a history is not one of registers that are read and written
// at one moment each, between its call and its return. An acknowledged write that
// was lost is the plainest such why.
func CheckFacts(all []*Operation, patience time.Duration) error {
	var end time.Duration
	for _, o := range all {
		end = max(end, o.Called, o.Returned)
	}
	byKey := map[string][]porcupine.Operation{}
	var keys []string
	for i, o := range all {
		if o.Void {
			continue
		}
		x := porcupine.Operation{ClientId: i, Input: o, Call: int64(o.Called), Return: int64(o.Returned)}
		if o.Unknown {
			x.Return = int64(end) + 1
		}
		if byKey[o.Key] == nil {
			keys = append(keys, o.Key)
		}
		byKey[o.Key] = append(byKey[o.Key], x)
	}
	deadline := time.Now().Add(patience)
	for _, key := range keys {
		switch porcupine.CheckOperationsTimeout(model, byKey[key], max(time.Until(deadline), time.Millisecond)) {
		case porcupine.Illegal:
			var b strings.Builder
			slices.SortFunc(byKey[key], func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
			for _, x := range byKey[key] {
				fmt.Fprintf(&b, "\n  %s", x.Input)
			}
			return fmt.Errorf("the facts are not linearizable: %s%s", key, b.String())
		case porcupine.Unknown:
			return fmt.Errorf("whether %d operations on %s are linearizable was not found out in %v", len(byKey[key]), key, patience)
		case porcupine.Ok:
		}
	}
	return nil
}
