package protos

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/bufbuild/protocompile/ast"
)

// nameRule is the case that the names of a kind of element have.
type nameRule struct {
	rule   string
	what   string
	form   *regexp.Regexp
	word   string
	repair func(string) string
}

var nameRules = [...]nameRule{
	message:   {"MESSAGE_PASCAL_CASE", "message", pascal, "PascalCase", toPascal},
	field:     {"FIELD_LOWER_SNAKE_CASE", "field", lowerSnake, "lower_snake_case", toLowerSnake},
	enum:      {"ENUM_PASCAL_CASE", "enum", pascal, "PascalCase", toPascal},
	enumValue: {"ENUM_VALUE_UPPER_SNAKE_CASE", "enum value", upperSnake, "UPPER_SNAKE_CASE", toUpperSnake},
	oneof:     {"ONEOF_LOWER_SNAKE_CASE", "oneof", lowerSnake, "lower_snake_case", toLowerSnake},
	service:   {"SERVICE_PASCAL_CASE", "service", pascal, "PascalCase", toPascal},
	method:    {"RPC_PASCAL_CASE", "rpc", pascal, "PascalCase", toPascal},
}

func (k *checker) checkName(f *file, e element) {
	if r := nameRules[e.kind]; !r.form.MatchString(e.name.Val) {
		k.add(f.finding(r.rule, e.name, fmt.Sprintf("%s name %q is not %s", r.what, e.name.Val, r.word), "rename it to "+r.repair(e.name.Val)))
	}
	switch n := e.node.(type) {
	case *ast.FieldNode:
		if isRequired(n) {
			k.add(f.finding("FIELD_NOT_REQUIRED", e.name, fmt.Sprintf("field %q is required", e.name.Val), "make it optional"))
		}
	case *ast.EnumNode:
		k.checkAlias(f, n)
	case *ast.EnumValueNode:
		k.checkEnumValue(f, e, n)
	case *ast.ServiceNode:
		if !strings.HasSuffix(e.name.Val, "Service") {
			k.add(f.finding("SERVICE_SUFFIX", e.name, fmt.Sprintf("service name %q does not end in Service", e.name.Val), "rename it to "+e.name.Val+"Service"))
		}
	case *ast.RPCNode:
		k.checkMethodType(f, e, n.Input, "request", "Request", "RPC_REQUEST_STANDARD_NAME")
		k.checkMethodType(f, e, n.Output, "response", "Response", "RPC_RESPONSE_STANDARD_NAME")
	}
}

// isRequired knows both spellings: proto2's label and the editions' feature.
func isRequired(n *ast.FieldNode) bool {
	if n.Label.KeywordNode != nil && n.Label.Val == "required" {
		return true
	}
	for o := range options(n) {
		if v, ok := o.Val.Value().(ast.Identifier); ok && v == "LEGACY_REQUIRED" {
			return true
		}
	}
	return false
}

func (k *checker) checkAlias(f *file, n *ast.EnumNode) {
	for _, decl := range n.Decls {
		o, ok := decl.(*ast.OptionNode)
		if !ok || optionName(o) != "allow_alias" {
			continue
		}
		if v, ok := o.Val.Value().(ast.Identifier); ok && v == "true" {
			k.add(f.finding("ENUM_NO_ALLOW_ALIAS", o, fmt.Sprintf("enum %q allows aliases", n.Name.Val), "give each value its own number"))
		}
	}
}

func (k *checker) checkEnumValue(f *file, e element, n *ast.EnumValueNode) {
	prefix := toUpperSnake(e.parent) + "_"
	if !strings.HasPrefix(e.name.Val, prefix) {
		k.add(f.finding("ENUM_VALUE_PREFIX", e.name, fmt.Sprintf("enum value %q does not begin with %q", e.name.Val, prefix),
			"rename it to "+prefix+toUpperSnake(e.name.Val)))
	}
	number, isNumber := n.Number.AsInt64()
	isZero := isNumber && number == 0
	if e.first && !isZero {
		k.add(f.finding("ENUM_FIRST_VALUE_ZERO", n.Number, fmt.Sprintf("the first value of enum %q is not 0", e.parent),
			"begin with "+prefix+"UNSPECIFIED = 0"))
	}
	if isZero && !strings.HasSuffix(e.name.Val, "_UNSPECIFIED") {
		k.add(f.finding("ENUM_ZERO_VALUE_SUFFIX", e.name, fmt.Sprintf("zero value %q does not end in _UNSPECIFIED", e.name.Val),
			"rename it to "+prefix+"UNSPECIFIED, or add that before it"))
	}
}

func (k *checker) checkMethodType(f *file, e element, t *ast.RPCTypeNode, what, suffix, rule string) {
	name := string(t.MessageType.AsIdentifier())
	name = name[strings.LastIndexByte(name, '.')+1:]
	short, long := toPascal(e.name.Val)+suffix, toPascal(e.parent)+toPascal(e.name.Val)+suffix
	if name != short && name != long {
		k.add(f.finding(rule, t.MessageType, fmt.Sprintf("the %s of rpc %q is %q", what, e.name.Val, name),
			fmt.Sprintf("name it %s or %s", short, long)))
	}
}
