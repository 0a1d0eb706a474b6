package events

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrInternalTopic is returned for a topic that Kafka keeps for itself.
var ErrInternalTopic = errors.New("the topic is one that Kafka keeps for itself")

// DeleteTopic deletes a topic with all that is in it. The error is an
// [*UnknownTopicError], also for one that is being deleted, [ErrInternalTopic]
// or a [*DeniedError].
func (c *Client) DeleteTopic(ctx context.Context, name string) error {
	details, err := c.details(ctx, name)
	if err != nil {
		return err
	}
	if details[name].IsInternal {
		return fmt.Errorf("delete topic %s: %w", name, ErrInternalTopic)
	}
	admin, err := c.administer(ctx, "delete topic "+name)
	if err != nil {
		return err
	}
	answer, err := admin.DeleteTopic(ctx, name)
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return c.unknownTopic(ctx, name)
	case err != nil:
		return refused("delete topic "+name, withMessage(err, answer.ErrMessage))
	}
	return nil
}
