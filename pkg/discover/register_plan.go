package discover

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
)

// RegistrationPlan says what registering would do.
type RegistrationPlan struct {
	ID      string               `json:"id"`
	Action  string               `json:"action"` // create, replace, or keep when nothing would change
	Changes []RegistrationChange `json:"changes"`
	Body    json.RawMessage      `json:"body"` // what would be sent to /v1/agent/service/register, as Consul spells it
}

// RegistrationChange is one difference between what is registered and what would be.
type RegistrationChange struct {
	Field string `json:"field"` // name, address, tags, meta.KEY, weights, locality, or a check's id
	From  string `json:"from"`  // empty: it is not there now
	To    string `json:"to"`    // empty: it would be gone
}

// PlanRegistration says what Register would do, and changes nothing. Errors are *RegistrationError and *RequestError.
func (c *Client) PlanRegistration(ctx context.Context, r Registration) (RegistrationPlan, error) {
	if err := r.Validate(); err != nil {
		return RegistrationPlan{}, err
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	body := r.forAgent()
	text, err := json.Marshal(body)
	if err != nil {
		return RegistrationPlan{}, fmt.Errorf("encode the registration of %s: %w", body.ID, err)
	}
	plan := RegistrationPlan{ID: body.ID, Action: "create", Body: text}
	has, err := c.local(ctx, body.ID)
	if err != nil {
		return RegistrationPlan{}, err
	}
	now := map[string]string{}
	if has != nil {
		plan.Action = "replace"
		checks, err := c.localChecks(ctx, body.ID)
		if err != nil {
			return RegistrationPlan{}, err
		}
		now = flatService(has, checks)
	}
	plan.Changes = compare(now, flatRegistration(body))
	if has != nil && len(plan.Changes) == 0 {
		plan.Action = "keep"
	}
	return plan, nil
}

func compare(now, then map[string]string) []RegistrationChange {
	changes := []RegistrationChange{}
	fields := maps.Clone(now)
	maps.Copy(fields, then)
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if now[field] != then[field] {
			changes = append(changes, RegistrationChange{Field: field, From: now[field], To: then[field]})
		}
	}
	return changes
}

func flatRegistration(body *api.AgentServiceRegistration) map[string]string {
	weights := Weights{Passing: 1, Warning: 1}
	if body.Weights != nil {
		weights = Weights(*body.Weights)
	}
	flat := flatten(body.Name, Registration{Address: body.Address, Port: body.Port, Tags: body.Tags, Meta: body.Meta, Weights: weights}, body.Locality)
	for _, check := range body.Checks {
		kind := "grpc"
		switch {
		case check.HTTP != "":
			kind = "http"
		case check.TTL != "":
			kind = "ttl"
		}
		flat[check.CheckID] = kind + ": " + check.Notes
	}
	return flat
}

func flatService(service *api.AgentService, checks []*api.AgentCheck) map[string]string {
	flat := flatten(service.Service, Registration{
		Address: service.Address, Port: service.Port, Tags: service.Tags, Meta: service.Meta, Weights: Weights(service.Weights),
	}, service.Locality)
	for _, check := range checks {
		if !strings.HasPrefix(check.CheckID, api.ServiceMaintPrefix) {
			flat[check.CheckID] = check.Type + ": " + check.Notes
		}
	}
	return flat
}

func flatten(name string, r Registration, where *api.Locality) map[string]string {
	flat := map[string]string{
		"name": name, "address": r.HostPort(), "tags": strings.Join(r.Tags, ", "),
		"weights": fmt.Sprintf("%d passing, %d warning", r.Weights.Passing, r.Weights.Warning),
	}
	for key, value := range r.Meta {
		flat["meta."+key] = value
	}
	if where != nil {
		flat["locality"] = strings.Trim(where.Region+"/"+where.Zone, "/")
	}
	return flat
}
