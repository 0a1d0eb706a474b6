package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"
)

// unreadable follows Avro's schema resolution and lists every place at which it fails. The library's own check, which
// ends at the first, has the last word: what is readable here can be decoded by it.
func (s *avroSchema) unreadable(writer language) []Violation {
	w := writer.(*avroSchema)
	c := avroComparison{reader: s, writer: w, seen: map[[2]*avro.SchemaNode]bool{}}
	c.nodes("", s.root, w.root)
	if err := avro.CheckCompatibility(w.schema, s.schema); err != nil && len(c.found) == 0 {
		c.report("", "%v", err)
	}
	return c.found
}

type avroComparison struct {
	reader, writer *avroSchema
	seen           map[[2]*avro.SchemaNode]bool // pairs under comparison: a recursive schema ends here
	found          []Violation
}

func (c *avroComparison) report(path, format string, args ...any) {
	c.found = append(c.found, Violation{Path: orRoot(path), Message: fmt.Sprintf(format, args...)})
}

func (c *avroComparison) nodes(path string, r, w *avro.SchemaNode) {
	r, w = c.reader.resolve(r), c.writer.resolve(w)
	pair := [2]*avro.SchemaNode{r, w}
	if c.seen[pair] {
		return
	}
	c.seen[pair] = true
	switch {
	case w.Type == "union":
		for i := range w.Branches {
			c.branch(path, r, c.writer.resolve(&w.Branches[i]))
		}
	case r.Type == "union":
		c.branch(path, r, w)
	case kindOf(r) == kindOf(w):
		c.sameKind(path, r, w)
	case !promotes(w.Type, r.Type):
		c.report(path, "%s cannot be read as %s", c.writer.describeType(w), c.reader.describeType(r))
	}
}

// branch compares what is written with the branch that reads it.
func (c *avroComparison) branch(path string, r, w *avro.SchemaNode) {
	if r.Type != "union" {
		c.nodes(path, r, w)
		return
	}
	if chosen := c.choose(r, w); chosen != nil {
		c.nodes(path, chosen, w)
		return
	}
	c.report(path, "no branch of %s reads %s", c.reader.describeType(r), c.writer.describeType(w))
}

// choose finds the branch that a written type is read by: the one of its name, else of its name without the namespace,
// else one that it is promoted to.
func (c *avroComparison) choose(union, w *avro.SchemaNode) *avro.SchemaNode {
	for _, fits := range []func(r *avro.SchemaNode) bool{
		func(r *avro.SchemaNode) bool { return kindOf(r) == kindOf(w) && exactName(r, w) && r.Size == w.Size },
		func(r *avro.SchemaNode) bool { return kindOf(r) == kindOf(w) && namesMatch(r, w) && r.Size == w.Size },
		func(r *avro.SchemaNode) bool { return promotes(w.Type, r.Type) },
	} {
		for i := range union.Branches {
			if r := c.reader.resolve(&union.Branches[i]); fits(r) {
				return r
			}
		}
	}
	return nil
}

func (c *avroComparison) sameKind(path string, r, w *avro.SchemaNode) {
	if r.Name != "" && !namesMatch(r, w) {
		c.report(path, "the name %s is neither that of the reader, %s, nor one of its aliases", fullName(w), fullName(r))
		return
	}
	switch kindOf(r) {
	case "record":
		c.fields(path, r, w)
	case "array":
		c.nodes(path+"[]", r.Items, w.Items)
	case "map":
		c.nodes(path+"{}", r.Values, w.Values)
	case "enum":
		for _, symbol := range w.Symbols {
			if !slices.Contains(r.Symbols, symbol) && !r.HasEnumDefault {
				c.report(path, "the reader lacks symbol %s of enum %s, and has no default", symbol, fullName(w))
			}
		}
	case "fixed":
		if r.Size != w.Size {
			c.report(path, "fixed %s has %d bytes for the reader, and %d were written", fullName(r), r.Size, w.Size)
		}
	}
	if r.LogicalType == "decimal" && w.LogicalType == "decimal" && (r.Precision != w.Precision || r.Scale != w.Scale) {
		c.report(path, "decimal(%d,%d) cannot be read as decimal(%d,%d)", w.Precision, w.Scale, r.Precision, r.Scale)
	}
}

func (c *avroComparison) fields(path string, r, w *avro.SchemaNode) {
	for i := range r.Fields {
		f := &r.Fields[i]
		written := fieldOf(w, f)
		switch {
		case written != nil:
			c.nodes(join(path, f.Name), &f.Type, &written.Type)
		case !f.HasDefault:
			c.report(join(path, f.Name), "the reader wants this field, which has no default and is not written")
		}
	}
}

// fieldOf finds the writer's field that a reader's field takes: by its name, else by an alias.
func fieldOf(w *avro.SchemaNode, f *avro.SchemaField) *avro.SchemaField {
	for _, name := range append([]string{f.Name}, f.Aliases...) {
		for i := range w.Fields {
			if w.Fields[i].Name == name {
				return &w.Fields[i]
			}
		}
	}
	return nil
}

func kindOf(n *avro.SchemaNode) string {
	if n.Type == "error" {
		return "record"
	}
	return n.Type
}

func exactName(r, w *avro.SchemaNode) bool {
	return r.Name == "" || fullName(r) == fullName(w) || slices.ContainsFunc(r.Aliases, func(a string) bool { return aliasName(r, a) == fullName(w) })
}

// namesMatch compares names as the specification does: without their namespaces. An alias with a namespace is meant
// as it stands.
func namesMatch(r, w *avro.SchemaNode) bool {
	return r.Name == "" || exactName(r, w) || lastPart(r.Name) == lastPart(w.Name) ||
		slices.ContainsFunc(r.Aliases, func(a string) bool { return a == lastPart(w.Name) })
}

// aliasName is the full name of an alias, which has the namespace of its type unless it says another.
func aliasName(n *avro.SchemaNode, alias string) string {
	if strings.Contains(alias, ".") || n.Namespace == "" {
		return alias
	}
	return n.Namespace + "." + alias
}

func lastPart(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// promotes reports whether a value of one primitive type is read as another.
func promotes(from, to string) bool {
	switch from {
	case "int":
		return to == "long" || to == "float" || to == "double"
	case "long":
		return to == "float" || to == "double"
	case "float":
		return to == "double"
	case "string":
		return to == "bytes"
	case "bytes":
		return to == "string"
	}
	return false
}
