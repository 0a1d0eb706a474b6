package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// ExplainOptions have Explain look at more than the catalogue of the query's datacenter. The zero value does not.
type ExplainOptions struct {
	// Elsewhere is for how long at most to look also at what the agent itself knows of the service, and in the other
	// datacenters. A datacenter that does not answer within it, or an agent that refuses, adds nothing. 0 does not look.
	Elsewhere time.Duration
	// Probe, when it is not nil, is how each instance of the query's datacenter is probed from here: one that does not
	// answer is left out with ProbeFailed, and one that is left out and answers gets a note.
	Probe Prober
}

// look is one explanation in the making.
type look struct {
	ExplainOptions
	client *Client
	name   string
	query  Query
}

// Explain returns every known instance of the service with the reasons that keep it out of the query; an instance
// without reasons is in. A service that nobody has registered is an *UnknownServiceError. When ACLs hide a part of
// the reply, what is known is returned beside an error that is ErrFiltered. Other errors are *RequestError.
func (c *Client) Explain(ctx context.Context, name string, q Query, o ExplainOptions) ([]Explanation, error) {
	l := &look{ExplainOptions: o, client: c, name: name, query: q}
	all, err := l.known(ctx)
	if err != nil && !errors.Is(err, ErrFiltered) && !errors.Is(err, ErrNoInstance) {
		return nil, err
	}
	if l.Elsewhere > 0 {
		all = append(all, l.lookElsewhere(ctx, all, errors.Is(err, ErrFiltered))...)
	}
	if errors.Is(err, ErrNoInstance) && len(all) > 0 {
		err = nil
	}
	if l.Probe != nil {
		l.probe(ctx, all)
	}
	noteSameAddress(all)
	return all, err
}

// known explains what the catalogue of the query's datacenter tells.
func (l *look) known(ctx context.Context) ([]Explanation, error) {
	ctx, cancel := l.client.bounded(ctx)
	defer cancel()
	selected, _, hidden := l.client.read(ctx, l.name, l.query, 0)
	if hidden != nil && !errors.Is(hidden, ErrFiltered) {
		return nil, hidden
	}
	if hidden == nil {
		l.client.look(l.name, l.query, selected, false)
	}
	all, err := l.client.explain(ctx, l.name, selected, l.query)
	if hidden != nil {
		err = hidden
	}
	return all, err
}

// explain says what keeps each instance of the service out. Those in selected are let in by the query's filter, which
// only Consul can apply: the others are asked for, when there is one.
func (c *Client) explain(ctx context.Context, name string, selected []Instance, q Query) ([]Explanation, error) {
	known, filter := selected, q.Filter
	if filter != "" {
		var err error
		q.Filter = ""
		if known, _, err = c.read(ctx, name, q, 0); err != nil && !errors.Is(err, ErrFiltered) {
			return nil, err
		}
	}
	if len(known) == 0 {
		return nil, c.unknown(ctx, name, q)
	}
	own := c.freshOutputs(ctx, known)
	passed := map[[2]string]bool{}
	for _, instance := range selected {
		passed[instance.key()] = true
	}
	seen := c.sightings(name, q)
	all := explained(known, q)
	for i := range all {
		e := &all[i]
		confirmSilence(e.Instance, e.Causes, own)
		for j, cause := range e.Causes {
			e.Causes[j].Since = seen.of(e.Instance, cause.Check)
		}
		if filter != "" && !passed[e.Instance.key()] {
			e.Causes = append(e.Causes, Cause{Kind: FilterMismatch, Wanted: filter})
		}
		e.Notes = notes(name, e.Instance)
		e.phrase()
	}
	return all, nil
}

// freshOutputs asks the agent itself what the failing checks said last: output that came without a change of status
// reaches the catalogue minutes late. It returns the agent's checks, which are those of its own node only; when it
// refuses, or nothing fails, there are none.
func (c *Client) freshOutputs(ctx context.Context, list []Instance) map[string]*wireCheck {
	failing := func(check Check) bool { return check.Status != Passing && check.state() != Maintenance }
	if !slices.ContainsFunc(list, func(i Instance) bool { return slices.ContainsFunc(i.Checks, failing) }) {
		return nil
	}
	var own map[string]*wireCheck
	if c.ask(ctx, "/v1/agent/checks", &own) != nil {
		return nil
	}
	for _, instance := range list {
		for i, check := range instance.Checks {
			known := own[check.ID]
			if known != nil && failing(check) && known.Node == instance.Node && known.Output != "" && known.Status == check.Status {
				instance.Checks[i].Output = known.Output
			}
		}
	}
	return own
}

// lookElsewhere explains what the catalogue of the query's datacenter does not tell.
func (l *look) lookElsewhere(ctx context.Context, known []Explanation, hidden bool) []Explanation {
	ctx, cancel := context.WithTimeout(ctx, l.Elsewhere)
	defer cancel()
	agent, _ := l.client.self(ctx) // it may refuse, and then tells nothing
	asked := cmp.Or(l.client.datacenterOf(l.query), agent.Config.Datacenter)
	if asked == "" && len(known) > 0 {
		asked = known[0].Instance.Datacenter
	}
	var found []Explanation
	if agent.Config.NodeName != "" && asked == agent.Config.Datacenter {
		found = l.onAgent(ctx, agent, known, hidden)
	}
	return append(found, l.inOtherDatacenters(ctx, asked)...)
}

// serversOwn is the service as which Consul's servers register themselves. Their agents do not tell of it.
const serversOwn = "consul"

// onAgent explains the instances that only the agent tells of, and notes those of its node that only the catalogue does.
func (l *look) onAgent(ctx context.Context, agent agentSelf, known []Explanation, hidden bool) []Explanation {
	var services map[string]*wireService
	var checks map[string]*wireCheck
	if l.client.ask(ctx, "/v1/agent/services", &services) != nil || l.client.ask(ctx, "/v1/agent/checks", &checks) != nil {
		return nil
	}
	inCatalogue := map[string]bool{}
	for i, e := range known {
		if e.Instance.Node != agent.Config.NodeName {
			continue
		}
		inCatalogue[e.Instance.ID] = true
		if services[e.Instance.ID] == nil && e.Instance.Name != serversOwn {
			known[i].Notes = append(known[i].Notes, note(UnknownToAgent, agent.Config.NodeName,
				"the agent of its node %s does not know it, and will remove it from the catalogue", agent.Config.NodeName))
		}
	}
	kind := NotInCatalogue
	if hidden {
		kind = HiddenByACL
	}
	var found []Explanation
	for id, service := range services {
		if service == nil || !strings.EqualFold(service.Service, l.name) || inCatalogue[id] {
			continue
		}
		instance := fromAgent(agent, service, checks)
		causes := append([]Cause{{Kind: kind}}, l.query.causes(instance)...)
		confirmSilence(instance, causes, checks)
		found = append(found, Explanation{Instance: instance, Causes: causes, Notes: notes(l.name, instance)})
	}
	return phrased(found)
}

// fromAgent makes an instance of what an agent knows of it.
func fromAgent(agent agentSelf, service *wireService, checks map[string]*wireCheck) Instance {
	instance := service.on(&wireNode{Node: agent.Config.NodeName, Address: agent.Member.Addr, Datacenter: agent.Config.Datacenter})
	for _, id := range slices.Sorted(maps.Keys(checks)) {
		if check := checks[id]; check != nil && (check.ServiceID == service.ID || check.ServiceID == "") {
			instance.add(check.check())
		}
	}
	return instance
}

// inOtherDatacenters explains the instances that are registered in a datacenter other than the one that was asked.
func (l *look) inOtherDatacenters(ctx context.Context, asked string) []Explanation {
	var names []string
	if err := l.client.ask(ctx, "/v1/catalog/datacenters", &names); err != nil {
		return nil
	}
	found := make([][]Explanation, len(names))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, datacenter := range names {
		if datacenter == asked {
			continue
		}
		group.Go(func() error {
			query := l.query
			query.Datacenter, query.Near, query.Filter = datacenter, "", ""
			list, _, err := l.client.read(ctx, l.name, query, 0)
			if err != nil {
				return nil // what does not answer in time adds nothing
			}
			for _, instance := range list {
				causes := append([]Cause{{Kind: OtherDatacenter, Wanted: asked, Has: datacenter}}, l.query.causes(instance)...)
				found[i] = append(found[i], Explanation{Instance: instance, Causes: causes, Notes: notes(l.name, instance)})
			}
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	return phrased(slices.Concat(found...))
}

// probe looks from here at the instances of the query's datacenter.
func (l *look) probe(ctx context.Context, all []Explanation) {
	var here []int
	var instances []Instance
	for i, e := range all {
		if !e.has(OtherDatacenter) {
			here, instances = append(here, i), append(instances, e.Instance)
		}
	}
	for i, result := range ProbeAll(ctx, instances, l.Probe, ProbeOptions{}) {
		e := &all[here[i]]
		seen := fmt.Sprintf("%s %s", result.Kind, result.Target)
		switch {
		case !result.OK:
			cause := Cause{Kind: ProbeFailed, Has: seen + ": " + shortened(result.Reason), Failure: result.Failure}
			cause.Sentence = oneLine(cause.words(e.Instance))
			e.Causes = append(e.Causes, cause)
		case !e.Included():
			e.Notes = append(e.Notes, note(AnswersHere, seen, "it answers from here all the same: %s in %.1f ms", seen, result.LatencyMS))
		}
	}
}

// phrased puts the causes of what was found elsewhere into words, in a stable order.
func phrased(list []Explanation) []Explanation {
	for i := range list {
		list[i].phrase()
	}
	slices.SortStableFunc(list, func(a, b Explanation) int {
		return cmp.Or(cmp.Compare(a.Instance.Datacenter, b.Instance.Datacenter), byPlace(a.Instance, b.Instance))
	})
	return list
}
