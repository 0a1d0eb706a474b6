package rpc

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// fields completes the keys of a request's JSON, from what is kept of the server,
// which is asked only when that is nothing: a key is typed faster than it answers.
func fields(f *app.Factory, c *connection) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		if strings.HasPrefix(typed, "@") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		if len(args) != 2 {
			return nil, directive
		}
		c.Target = args[0]
		known := keptFields(f, c, args[1])
		if known == nil {
			known = askedFields(cmd, f, c, args)
		}
		if known == nil {
			return nil, directive
		}
		if typed == "" {
			return []string{"{"}, directive
		}
		before, path, ok := openKey(typed)
		if !ok {
			return nil, directive
		}
		var keys []string
		for _, key := range keysAt(known, path) {
			keys = append(keys, before+`"`+key+`":`)
		}
		return complete.Prefixed(keys, typed), directive
	}
}

// keptFields are those of a method's request as far as they are kept; nil when
// nothing is.
func keptFields(f *app.Factory, c *connection, method string) []rpc.TemplateField {
	kept, _, err := rpc.KeptDescriptors(f.DescriptorCache(c.RPCOptions))
	if err != nil {
		return nil
	}
	template, _ := kept.Template(method) // which has no fields when there is no such method
	return template.Fields
}

// askedFields asks the server, within the bound of a completion.
func askedFields(cmd *cobra.Command, f *app.Factory, c *connection, args []string) []rpc.TemplateField {
	texts, _ := complete.Values(f, "rpc-fields-"+args[1]+"-"+c.Target+"-"+c.Version, func(ctx context.Context) (texts []string, err error) {
		err = c.reflect(ctx, f.Channel, func(d *rpc.Descriptors) error {
			template, err := d.Template(args[1])
			for _, field := range template.Fields {
				text, _ := json.Marshal(field) // which cannot fail
				texts = append(texts, string(text))
			}
			return err
		})
		return texts, err
	})(cmd, args, "")
	known := make([]rpc.TemplateField, len(texts))
	for i, text := range texts {
		_ = json.Unmarshal([]byte(text), &known[i]) // what it was made from
	}
	return known
}

// keysAt are the fields directly below a path, those of a oneof all.
func keysAt(fields []rpc.TemplateField, path string) []string {
	var keys []string
	for _, f := range fields {
		at := strings.LastIndexByte(f.Path, '.')
		if parent := f.Path[:max(at, 0)]; parent != path {
			continue
		}
		if len(f.OneOf) > 0 {
			keys = append(keys, f.OneOf...)
			continue
		}
		keys = append(keys, f.Path[at+1:])
	}
	return keys
}

// openKey looks whether JSON ends where a key is to be typed, or within one. It
// returns what stands before the key, and the path to the object that it is in,
// in the form of a template's.
func openKey(text string) (before, path string, ok bool) {
	var stack []string // what each open bracket belongs to
	var last string    // the key or string that ended last
	key, expect := "", false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			end := i + 1
			for end < len(text) && text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(text) {
				return text[:i], pathOf(stack), expect
			}
			last, i = text[i+1:end], end
		case '{', '[':
			name := key
			if c == '[' || len(stack) > 0 && stack[len(stack)-1] == "[]" && key == "" {
				name += map[byte]string{'[': "[]"}[c]
			}
			stack, key, expect = append(stack, name), "", c == '{'
		case '}', ']':
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
			key, expect = "", false
		case ':':
			key, expect = last, false
		case ',':
			key = ""
			expect = len(stack) > 0 && !strings.HasSuffix(stack[len(stack)-1], "[]")
		}
	}
	return text, pathOf(stack), expect
}

// pathOf joins the names of open objects; those of lists stand before their
// elements.
func pathOf(stack []string) string {
	var path strings.Builder
	for _, name := range stack {
		if name == "" {
			continue
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(name)
	}
	return path.String()
}
