package discover

import "fmt"

// NoteKind says what is odd about an instance that Consul lets in nevertheless.
type NoteKind string

// The kinds of notes.
const (
	NameDiffers    NoteKind = "name_differs"         // registered in other letters, small or capital; Consul takes them for the same
	NoPort         NoteKind = "no_port"              // registered with port 0
	NoAddress      NoteKind = "no_address"           // neither it nor its node has one
	LoopbackOnly   NoteKind = "loopback_address"     // an address of its own node, which has another for the others
	SameAddress    NoteKind = "same_address"         // another id is registered at the same address and port
	NoWeight       NoteKind = "no_weight"            // its weight at its present health is 0
	RemovalPending NoteKind = "removal_pending"      // critical, and registered to be removed after some time of that
	UnknownToAgent NoteKind = "unknown_to_its_agent" // in the catalogue, and not with the agent that would keep it there
	AnswersHere    NoteKind = "answers_from_here"    // left out, and yet a probe reached it
)

// Note is something about an instance that keeps it out of no query and yet may be why a call to it fails.
type Note struct {
	Kind     NoteKind `json:"kind"`
	Has      string   `json:"has"`      // the address, name, id or duration that it is about
	Sentence string   `json:"sentence"` // in words: one line without control characters
}

func note(kind NoteKind, has, format string, args ...any) Note {
	return Note{Kind: kind, Has: has, Sentence: oneLine(fmt.Sprintf(format, args...))}
}

// notes are what is odd about an instance that was asked for by name.
func notes(name string, instance Instance) []Note {
	out := []Note{}
	if instance.Name != name {
		out = append(out, note(NameDiffers, instance.Name, "it is registered as %s; Consul finds it as %s all the same", instance.Name, name))
	}
	if instance.Port == 0 {
		out = append(out, note(NoPort, "0", "it is registered without a port: who dials it must know the port"))
	}
	out = append(out, addressNotes(instance)...)
	if instance.Health == Warning && instance.Weights.Warning == 0 {
		out = append(out, note(NoWeight, "0", "its weight while it warns is 0: who balances by weight sends it nothing"))
	}
	for _, check := range instance.Checks {
		if check.Status == Critical && check.DeregisterAfter != "" {
			out = append(out, note(RemovalPending, check.DeregisterAfter,
				"it is removed when check %q has been critical for %s", check.Name, check.DeregisterAfter))
		}
	}
	return out
}

func addressNotes(instance Instance) []Note {
	switch {
	case instance.Address == "":
		return []Note{note(NoAddress, "", "neither it nor its node is registered with an address")}
	case isLoopback(instance.Address) && !isLoopback(instance.NodeAddress):
		return []Note{note(LoopbackOnly, instance.Address, "its address %s leads to it on node %s (%s) alone", instance.Address, instance.Node, instance.NodeAddress)}
	}
	return nil
}

// noteSameAddress notes the instances that are registered at one address and port under several ids.
func noteSameAddress(all []Explanation) {
	first := map[string]int{}
	for i, e := range all {
		at := e.Instance.HostPort()
		before, taken := first[at]
		switch {
		case e.Instance.Port == 0 || e.has(OtherDatacenter):
			continue
		case !taken:
			first[at] = i
			continue
		}
		for _, pair := range [][2]int{{i, before}, {before, i}} {
			other := all[pair[1]].Instance.ID
			all[pair[0]].Notes = append(all[pair[0]].Notes, note(SameAddress, other, "%s is registered at the same address and port", other))
		}
	}
}
