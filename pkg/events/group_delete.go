package events

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/suokelife/suokectl/pkg/spec"
)

// DeleteGroup deletes a group without members, with its offsets. The error is an
// [*UnknownGroupError], a [*LiveGroupError] or a [*DeniedError].
func (c *Client) DeleteGroup(ctx context.Context, name string) error {
	if err := c.Ping(ctx); err != nil {
		return err
	}
	_, err := c.admin.DeleteGroup(ctx, name)
	switch {
	case errors.Is(err, kerr.NonEmptyGroup):
		live := &LiveGroupError{Group: name, State: "not Empty"}
		if groups, err := c.Groups(ctx, name); err == nil {
			live.State, live.Members = groups[0].State, groups[0].Members
		}
		return live
	case errors.Is(err, kerr.GroupIDNotFound):
		return c.unknownGroup(ctx, name)
	case err != nil:
		return refused("delete group "+name, err)
	}
	return nil
}

// unknownGroup looks for the group that was probably meant.
func (c *Client) unknownGroup(ctx context.Context, name string) error {
	unknown := &UnknownGroupError{Group: name}
	if names, err := c.GroupNames(ctx); err == nil {
		unknown.Nearest = spec.Nearest(name, names)
	}
	return unknown
}
