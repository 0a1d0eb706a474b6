package schema

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/riferrei/srclient"
)

// Register adds a version to a subject, or finds the one that has this schema already. Errors are ErrIncompatible,
// ErrInvalidSchema, ErrUnauthorized and ErrUnavailable.
func (r *Registry) Register(ctx context.Context, subject string, t Type, text string, references ...Reference) (Schema, error) {
	refs := registryReferences(references)
	s, err := request(ctx, r, "register a schema for "+subject, func(c *srclient.SchemaRegistryClient) (Schema, error) {
		if _, err := c.CreateSchema(subject, text, srclient.SchemaType(t), refs...); err != nil {
			return Schema{}, err
		}
		s, err := c.LookupSchema(subject, text, srclient.SchemaType(t), refs...) // the answer to creating has no version
		if err != nil {
			return Schema{}, err
		}
		out := schemaOf(subject, s)
		out.Type = t // Apicurio does not say it here
		return out, nil
	})
	if err == nil {
		r.forget(subject)
	}
	return s, err
}

func registryReferences(references []Reference) []srclient.Reference {
	out := make([]srclient.Reference, len(references))
	for i, reference := range references {
		out[i] = srclient.Reference(reference)
	}
	return out
}

// Check asks the registry whether the schema may follow the subject's newest version at the subject's level. Errors
// are ErrSubjectNotFound, ErrInvalidSchema, ErrUnauthorized and ErrUnavailable; to be incompatible is none.
func (r *Registry) Check(ctx context.Context, subject string, t Type, text string, references ...Reference) (Verdict, error) {
	call := r.newCall(ctx)
	defer call.cancel()
	c := call.client(srclient.WithPreReqFn(func(req *http.Request) error {
		req.URL.RawQuery = "verbose=true" // the reasons, which the client library leaves out of its answer
		return nil
	}))
	compatible, err := c.IsSchemaCompatible(subject, text, "latest", srclient.SchemaType(t), registryReferences(references)...)
	if err != nil {
		return Verdict{}, call.explain("check a schema for "+subject, err)
	}
	var answer struct {
		Messages []string `json:"messages"`
	}
	_ = json.Unmarshal(call.body.Bytes(), &answer) // a registry may have no reasons to give
	return Verdict{Compatible: compatible, Reasons: append([]string{}, answer.Messages...)}, nil
}

// History returns the versions of a subject that a candidate is compared with in a mode, oldest first: all of them
// when it is transitive, else the newest.
func (r *Registry) History(ctx context.Context, subject string, mode Mode) ([]Schema, error) {
	versions := []int{Latest}
	if mode.transitive() {
		var err error
		if versions, err = r.Versions(ctx, subject); err != nil {
			return nil, err
		}
		slices.Sort(versions)
	}
	out := make([]Schema, len(versions))
	for i, version := range versions {
		s, err := r.Get(ctx, subject, version)
		if err != nil {
			return nil, err
		}
		out[i] = s
	}
	return out, nil
}

// CheckLocally decides here what [Registry.Check] asks the registry, in any mode, and says where. Conflicts name the
// version that they are with. Errors are those of [Registry.Get], and [ErrInvalidSchema] for an earlier version that
// cannot be understood.
func (r *Registry) CheckLocally(ctx context.Context, subject string, mode Mode, candidate *Parsed) ([]Conflict, error) {
	history, err := r.History(ctx, subject, mode)
	if err != nil {
		return nil, err
	}
	earlier := make([]*Parsed, len(history))
	for i, s := range history {
		if earlier[i], err = r.Parse(ctx, s); err != nil {
			return nil, err
		}
	}
	conflicts := Incompatible(mode, candidate, earlier...)
	for i := range conflicts {
		conflicts[i].Version = history[conflicts[i].Earlier].Version
	}
	return conflicts, nil
}
