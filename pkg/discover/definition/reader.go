package definition

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/spec"
)

// reader walks the document's tree: only there has everything its line and column.
type reader struct {
	host         string
	port         int
	registration discover.Registration

	fields  map[string]ast.Node // where each field of the registration stands, by RegistrationError.Field; and "service"
	anchors map[string]ast.Node
}

// take reads the value of a key.
type take func(ast.Node) *Error

// locate makes the error for what stands at a node.
func locate(at ast.Node, format string, args ...any) *Error {
	e := &Error{Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)}
	switch n := at.(type) { // whose own token is the first colon
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			at = n.Values[0].Key
		}
	case *ast.MappingValueNode:
		at = n.Key
	}
	if at != nil && at.GetToken() != nil && at.GetToken().Position != nil {
		e.Line, e.Column = at.GetToken().Position.Line, at.GetToken().Position.Column
	}
	return e
}

func (r *reader) document(text []byte) *Error {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return syntax(err)
	}
	var body ast.Node
	for _, document := range file.Docs {
		switch {
		case document.Body == nil || document.Body.Type() == ast.CommentType:
		case body != nil:
			return locate(document.Body, "a second document begins; a registration is one")
		default:
			body = document.Body
		}
	}
	if body == nil {
		return locate(nil, "there is nothing in it; consul.service is wanted")
	}
	return r.mapping(body, "the document", map[string]take{"consul": r.consulSection})
}

func syntax(err error) *Error {
	e := &Error{Line: 1, Column: 1, Message: "it is no YAML: " + err.Error(), Err: err}
	var located yaml.Error
	if errors.As(err, &located) {
		e.Message = "it is no YAML: " + located.GetMessage()
		if t := located.GetToken(); t != nil && t.Position != nil {
			e.Line, e.Column = t.Position.Line, t.Position.Column
			if strings.Contains(e.Message, "\t") {
				e.Message = strings.ReplaceAll(e.Message, "\t", `\t`) + "; YAML indents with spaces, not with tabs"
			}
		}
	}
	e.Message = strings.Join(strings.Fields(e.Message), " ")
	return e
}

func (r *reader) consulSection(node ast.Node) *Error {
	err := r.mapping(node, "consul", map[string]take{
		"host": text(&r.host), "port": integer("port", 1, math.MaxUint16, &r.port), "service": r.service,
	})
	if err == nil && r.fields["service"] == nil {
		err = locate(node, "consul has no service")
	}
	return err
}

func (r *reader) service(node ast.Node) *Error {
	s := &r.registration
	r.fields["service"] = node
	return r.mapping(node, "service", map[string]take{
		"name":             r.field("name", text(&s.Name)),
		"version":          text(&s.Version),
		"address":          r.field("address", text(&s.Address)),
		"port":             r.field("port", integer("port", 1, math.MaxUint16, &s.Port)),
		"tags":             r.tags,
		"meta":             r.meta,
		"weights":          r.field("weights", r.weights),
		"locality":         r.locality,
		"check":            r.checks,
		"deregister_after": duration("deregister_after", &s.DeregisterAfter),
	})
}

// field remembers where a field stands.
func (r *reader) field(name string, read take) take {
	return func(node ast.Node) *Error {
		r.fields[name] = node
		return read(node)
	}
}

func (r *reader) tags(node ast.Node) *Error {
	return r.each(node, "tags", func(item ast.Node) *Error {
		var tag string
		err := text(&tag)(item)
		r.registration.Tags = append(r.registration.Tags, tag)
		return err
	})
}

func (r *reader) meta(node ast.Node) *Error {
	r.registration.Meta = map[string]string{}
	return r.pairs(node, "meta", func(key string, _, value ast.Node) *Error {
		var s string
		err := text(&s)(value)
		r.registration.Meta[key] = s
		return err
	})
}

func (r *reader) weights(node ast.Node) *Error {
	w := &r.registration.Weights
	return r.mapping(node, "weights", map[string]take{
		"passing": integer("passing", 1, math.MaxUint16, &w.Passing),
		"warning": integer("warning", 1, math.MaxUint16, &w.Warning),
	})
}

func (r *reader) locality(node ast.Node) *Error {
	l := &r.registration.Locality
	return r.mapping(node, "locality", map[string]take{"region": text(&l.Region), "zone": text(&l.Zone)})
}

// checks reads one check, or a list of them.
func (r *reader) checks(node ast.Node) *Error {
	if _, several := node.(*ast.SequenceNode); several {
		return r.each(node, "check", r.check)
	}
	return r.check(node)
}

func (r *reader) check(node ast.Node) *Error {
	var c discover.CheckConfig
	err := r.mapping(node, "check", map[string]take{
		"http": text(&c.HTTP), "grpc": text(&c.GRPC), "tls": boolean(&c.TLS), "ttl": duration("ttl", &c.TTL),
		"interval": duration("interval", &c.Interval), "timeout": duration("timeout", &c.Timeout),
	})
	r.registration.Checks = append(r.registration.Checks, c)
	r.fields[fmt.Sprintf("check %d", len(r.registration.Checks))] = node
	return err
}

// mapping reads the value of each key, and refuses a key that is not among them.
func (r *reader) mapping(node ast.Node, what string, known map[string]take) *Error {
	return r.pairs(node, what, func(key string, at, value ast.Node) *Error {
		if read, is := known[key]; is {
			return read(value)
		}
		names := slices.Sorted(maps.Keys(known))
		for _, name := range names {
			if spec.EditDistance(strings.ToLower(key), name) <= max(1, len(name)/3) {
				return locate(at, "%s has no key %q; did you mean %s?", what, key, name)
			}
		}
		return locate(at, "%s has no key %q; it has %s", what, key, strings.Join(names, ", "))
	})
}

func (r *reader) pairs(node ast.Node, what string, read func(key string, at, value ast.Node) *Error) *Error {
	var values []*ast.MappingValueNode
	switch node := node.(type) {
	case *ast.MappingNode:
		values = node.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{node}
	default:
		return locate(node, "%s is made of keys and values, not %s", what, describe(node))
	}
	seen := map[string]bool{}
	for _, pair := range values {
		if pair.Key == nil || pair.Key.IsMergeKey() {
			return locate(pair.Key, "merge keys (<<) are not read; write the keys out")
		}
		var key string
		name, err := r.resolve(pair.Key)
		if err == nil {
			err = text(&key)(name)
		}
		if err != nil {
			return err
		}
		if seen[key] {
			return locate(pair.Key, "%s has the key %q twice", what, key)
		}
		seen[key] = true
		value, err := r.resolve(pair.Value)
		if err == nil {
			err = read(key, pair.Key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) each(node ast.Node, what string, read take) *Error {
	list, is := node.(*ast.SequenceNode)
	if !is {
		return locate(node, "%s is a list, not %s", what, describe(node))
	}
	for _, item := range list.Values {
		item, err := r.resolve(item)
		if err == nil {
			err = read(item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resolve returns what an anchor or an alias stands for.
func (r *reader) resolve(node ast.Node) (ast.Node, *Error) {
	switch n := node.(type) {
	case *ast.AnchorNode:
		if n.Name == nil || n.Value == nil {
			return nil, locate(node, "an anchor without a name or a value")
		}
		r.anchors[n.Name.String()] = n.Value
		return r.resolve(n.Value)
	case *ast.AliasNode:
		if n.Value == nil || r.anchors[n.Value.String()] == nil {
			return nil, locate(node, "no anchor of that name stands before it")
		}
		return r.anchors[n.Value.String()], nil
	case *ast.TagNode:
		return nil, locate(node, "tags such as !!str are not read; quote the value")
	case nil:
		return nil, locate(nil, "a value is missing")
	}
	return node, nil
}
