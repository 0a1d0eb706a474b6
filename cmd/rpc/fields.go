package rpc

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/complete"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// fields completes the keys of a request's JSON, from what is kept of the server
// alone: a key is typed faster than a server answers.
func fields(f *app.Factory, c *connection) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		if strings.HasPrefix(typed, "@") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		if len(args) != 2 {
			return nil, directive
		}
		c.Target = args[0]
		kept, _, err := rpc.KeptDescriptors(f.DescriptorCache(c.RPCOptions))
		if err != nil {
			return nil, directive
		}
		template, err := kept.Template(args[1])
		if err != nil {
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
		for _, key := range keysAt(template.Fields, path) {
			keys = append(keys, before+`"`+key+`":`)
		}
		return complete.Prefixed(keys, typed), directive
	}
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
