package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// wireRequest is a Request as it crosses a socket: the command under its verb.
type wireRequest struct {
	Verb    string          `json:"verb"`
	Command json.RawMessage `json:"command"`
	By      Actor           `json:"by"`
	Why     string          `json:"why,omitempty"`
	Confirm string          `json:"confirm,omitempty"`
	DryRun  bool            `json:"dry_run,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (r Request) MarshalJSON() ([]byte, error) {
	if r.Command == nil {
		return nil, fmt.Errorf("api: a request without a command")
	}
	body, err := json.Marshal(r.Command)
	if err != nil {
		return nil, fmt.Errorf("api: encode %s: %w", r.Command.Verb(), err)
	}
	return json.Marshal(wireRequest{Verb: r.Command.Verb(), Command: body, By: r.By, Why: r.Why, Confirm: r.Confirm, DryRun: r.DryRun})
}

// UnmarshalJSON implements json.Unmarshaler. A verb that this version does not
// know and a field that a command does not have are errors: half a command is
// not obeyed.
func (r *Request) UnmarshalJSON(data []byte) error {
	var w wireRequest
	if err := strict(data, &w); err != nil {
		return fmt.Errorf("api: decode a request: %w", err)
	}
	for _, c := range Commands() {
		if c.Verb() != w.Verb {
			continue
		}
		if body := bytes.TrimSpace(w.Command); len(body) == 0 || body[0] != '{' {
			// An empty ClearFault clears everything: it must have been said.
			return fmt.Errorf("api: decode %s: \"command\" is no object; send {} for a command without settings", w.Verb)
		}
		v := reflect.New(reflect.TypeOf(c))
		if err := strict(w.Command, v.Interface()); err != nil {
			return fmt.Errorf("api: decode %s: %w", w.Verb, err)
		}
		*r = Request{Command: v.Elem().Interface().(Command), By: w.By, Why: w.Why, Confirm: w.Confirm, DryRun: w.DryRun}
		return nil
	}
	return fmt.Errorf("api: %q is no command of this version", w.Verb)
}

func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
