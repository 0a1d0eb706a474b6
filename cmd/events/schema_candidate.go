package events

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// candidateFlags say what the schema in a file is that is not in its text.
type candidateFlags struct {
	Type       string // empty leaves it to the text
	References []string
}

func (c *candidateFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.Type, "type", "", "schema `type`: avro, json or protobuf (default: found out by the file)")
	cmd.Flags().StringArrayVar(&c.References, "reference", nil, "what the file refers to, as `NAME=SUBJECT[@VERSION]`; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{"avro", "json", "protobuf"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("reference", cobra.NoFileCompletions)
}

// referencesHelp tells how references are given.
const referencesHelp = `--reference names what the file refers to: NAME is the full name of a type in Avro,
what stands in $ref in JSON Schema, the path of an import in Protobuf. Without
@VERSION it is the newest.`

// candidate is the schema in a file.
type candidate struct {
	kind       schema.Type
	text       string
	references []schema.Reference
}

// read reads a file, or standard input for "-", and finds the versions that it refers to.
func (c candidateFlags) read(ctx context.Context, ios *iostreams.IOStreams, registry *schema.Registry, file string) (candidate, error) {
	text, err := readInput(ios, file)
	if err != nil {
		return candidate{}, err
	}
	out := candidate{text: string(text)}
	if out.kind, err = c.kind(file, out.text); err != nil {
		return candidate{}, err
	}
	for _, flag := range c.References {
		reference, err := parseReference(flag)
		if err != nil {
			return candidate{}, err
		}
		s, err := registry.Get(ctx, reference.Subject, reference.Version)
		if err != nil {
			return candidate{}, referenceHint(ctx, registry, reference, err)
		}
		reference.Version = s.Version
		out.references = append(out.references, reference)
	}
	return out, nil
}

// referenceHint adds to an error of what --reference names what to do next.
func referenceHint(ctx context.Context, registry *schema.Registry, reference schema.Reference, err error) error {
	hinted := schemaHint(ctx, registry, reference.Subject, err)
	err = fmt.Errorf("--reference %s: %w", reference.Name, err)
	if hint := failure.Hint(hinted); !errors.Is(err, schema.ErrSubjectNotFound) || strings.HasPrefix(hint, "did you mean") {
		return failure.WithHint(err, hint)
	}
	return failure.WithHint(err, "`suokectl events schema register "+reference.Subject+" FILE` registers it first")
}

// explain adds to an error about the candidate what to do next. Which reference it
// lacks is found out here, since registries say it in as many ways as there are.
func (c candidate) explain(ctx context.Context, registry *schema.Registry, subject string, err error) error {
	if errors.Is(err, schema.ErrInvalidSchema) {
		var missing *schema.MissingReferenceError
		if _, here := c.parse(ctx, registry); errors.As(here, &missing) {
			return failure.WithHint(err, fmt.Sprintf("if %s is in another file, register that first with `suokectl events schema register SUBJECT FILE`, and add --reference %[1]s=SUBJECT", missing.Name))
		}
	}
	return schemaHint(ctx, registry, subject, err)
}

func (c candidateFlags) kind(file, text string) (schema.Type, error) {
	switch c.Type {
	case "":
		switch filepath.Ext(file) {
		case ".proto":
			return schema.Protobuf, nil
		case ".avsc":
			return schema.Avro, nil
		}
		return schema.Detect(text), nil
	case "avro":
		return schema.Avro, nil
	case "json":
		return schema.JSON, nil
	case "protobuf":
		return schema.Protobuf, nil
	}
	return "", failure.Usagef("--type %q is neither avro, json nor protobuf", c.Type)
}

// parseReference reads NAME=SUBJECT[@VERSION]; the name may be an address with signs of its own.
func parseReference(text string) (schema.Reference, error) {
	at := strings.LastIndexByte(text, '=')
	if at <= 0 || at == len(text)-1 {
		return schema.Reference{}, failure.Usagef("--reference %q is not NAME=SUBJECT or NAME=SUBJECT@VERSION", text)
	}
	r := schema.Reference{Name: text[:at], Subject: text[at+1:], Version: schema.Latest}
	if at := strings.LastIndexByte(r.Subject, '@'); at > 0 {
		if version, err := strconv.Atoi(r.Subject[at+1:]); err == nil && version > 0 {
			r.Subject, r.Version = r.Subject[:at], version
		}
	}
	return r, nil
}

// parse understands the schema here, with all that it refers to.
func (c candidate) parse(ctx context.Context, registry *schema.Registry) (*schema.Parsed, error) {
	return registry.Parse(ctx, schema.Schema{Type: c.kind, Text: c.text, References: c.references})
}
