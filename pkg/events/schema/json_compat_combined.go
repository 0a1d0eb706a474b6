package schema

import (
	"slices"
	"strconv"
)

// combinations compares two products or sums: their branches must fit one another, one by one.
func (c *jsonComparison) combinations(w, r jsonPart) []Violation {
	keyword := string(r.kind)
	switch {
	case w.kind == r.kind, r.kind == kindAnyOf, w.size() == 1 && r.size() == 1, w.size() == 1 && r.kind == kindOneOf, r.size() == 1 && w.kind == kindAll:
	default:
		return at(keyword, one("%s was written, and %s is wanted", w, r))
	}
	ws, rs := c.distinct(w), c.distinct(r)
	var out []Violation
	if len(ws) < len(rs) && r.kind == kindAll {
		out = append(out, at(keyword, one("%d conditions must be met, and %d were", len(rs), len(ws)))...)
	}
	if len(ws) > len(rs) && w.kind != kindAll {
		out = append(out, at(keyword, one("%d branches could be written, and %d are read", len(ws), len(rs)))...)
	}
	return append(out, at(keyword, c.pairUp(ws, rs))...)
}

// distinct leaves out the branches that say the same as one before. In a sum of which exactly one must hold, they count.
func (c *jsonComparison) distinct(p jsonPart) []jsonPart {
	var out []jsonPart
	for i := range p.size() {
		sub := p.sub(i)
		same := func(other jsonPart) bool { return len(c.parts(sub, other)) == 0 && len(c.parts(other, sub)) == 0 }
		if p.kind == kindOneOf || !slices.ContainsFunc(out, same) {
			out = append(out, sub)
		}
	}
	return out
}

// pairUp gives each branch of the smaller side a partner of its own on the other, by augmenting paths.
func (c *jsonComparison) pairUp(ws, rs []jsonPart) []Violation {
	partner := make([]int, len(rs))
	for i := range partner {
		partner[i] = -1
	}
	readable := make([][]bool, len(ws))
	reasons := make([][]Violation, len(ws))
	for i, w := range ws {
		readable[i] = make([]bool, len(rs))
		for k, r := range rs {
			found := c.parts(w, r)
			readable[i][k] = len(found) == 0
			if w.kind == r.kind && reasons[i] == nil {
				reasons[i] = found
			}
		}
	}
	var find func(i int, tried []bool) bool
	find = func(i int, tried []bool) bool {
		for k := range rs {
			if !readable[i][k] || tried[k] {
				continue
			}
			tried[k] = true
			if partner[k] < 0 || find(partner[k], tried) {
				partner[k] = i
				return true
			}
		}
		return false
	}
	matched := 0
	var out []Violation
	for i, w := range ws {
		if find(i, make([]bool, len(rs))) {
			matched++
			continue
		}
		out = append(out, at(strconv.Itoa(i), append(one("no branch is left that reads %s", w), reasons[i]...))...)
	}
	if matched == min(len(ws), len(rs)) {
		return nil
	}
	return out
}
