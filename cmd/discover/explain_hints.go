package discover

import (
	"strings"

	"github.com/suokelife/suokectl/pkg/discover"
)

// explainHint says what to do next about a cause; empty when its sentence says all there is.
func explainHint(name string, of discover.Instance, cause discover.Cause) string {
	switch cause.Kind {
	case discover.CheckCritical, discover.CheckWarning:
		return failureHint(name, of, cause)
	case discover.CheckNotRun:
		if cause.Check.Kind == "ttl" {
			return "does its process run, and report? `suokectl discover register` keeps a registration alive"
		}
		return "ask again in a moment: the agent runs a check first within one interval of it"
	case discover.NodeDown:
		return "`suokectl discover nodes` lists the nodes; does the agent run on " + of.Node + "?"
	case discover.InMaintenance:
		if cause.Check.OnNode {
			return "`suokectl discover maintenance off --node` ends it, asked of the agent on " + of.Node
		}
		return "`suokectl discover maintenance off " + quoted(of.ID) + "` ends it"
	case discover.Draining:
		return "nothing: it deregisters itself when its callers had time to leave"
	case discover.VersionMismatch, discover.TagMissing:
		return nearHint(cause)
	case discover.VersionMissing:
		return "a version is read from the metadata: `version` under `meta` of its registration"
	case discover.NotInCatalogue:
		return "the log of the agent on " + of.Node + " says why it does not synchronise; often its token lacks service:write"
	case discover.HiddenByACL:
		return "the token's policy needs node \"" + of.Node + "\" { policy = \"read\" }"
	case discover.ProbeFailed:
		if of.Health != discover.Passing {
			return "" // the check says it already
		}
		return "`suokectl discover probe " + quoted(name) + "` repeats it; is a firewall, or the address that it registered, in the way?"
	}
	return ""
}

func nearHint(cause discover.Cause) string {
	switch {
	case cause.Near == "":
		return ""
	case cause.Kind == discover.TagMissing:
		return "--tag " + quoted(cause.Near) + " would match it"
	}
	return "--version " + quoted(cause.Near) + " would match it"
}

// failureHint says what to do next about a check that failed that way.
func failureHint(name string, of discover.Instance, cause discover.Cause) string {
	probe := "`suokectl discover probe " + quoted(name) + " --health any`"
	switch cause.Failure {
	case discover.ProbeRefused:
		return "nothing listens where the check asks: does its process run? " + probe + " tries from here"
	case discover.ProbeTimeout:
		return probe + " says whether it answers from here, and how fast"
	case discover.ProbeHTTPStatus, discover.ProbeNotServing, discover.CheckReported:
		return "it is reached and says so itself: its own log knows why"
	case discover.CheckTTLExpired:
		return "is its process gone, or stuck? `suokectl discover deregister " + quoted(of.ID) + "` forgets one that is gone"
	case discover.ProbeNoHost, discover.ProbeNoRoute:
		return "the agent on " + of.Node + " runs the check: it must resolve and reach what the check asks"
	case discover.ProbeTLS:
		return strings.TrimSuffix(probe, "`") + " --tls` shows the certificate"
	case discover.ProbeProtocol:
		return "does the check ask the right port, in the right protocol?"
	}
	return ""
}
