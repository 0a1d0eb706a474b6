package discover

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// causes are what keeps the instance out of the query as far as the instance itself tells; words are put to them
// later. With none of them it is in.
func (q Query) causes(instance Instance) []Cause {
	causes := []Cause{}
	if q.Version != "" && q.Version != instance.Version {
		causes = append(causes, versionCause(q.Version, instance))
	}
	for _, tag := range q.Tags {
		if !containsFold(instance.Tags, tag) {
			cause := Cause{Kind: TagMissing, Wanted: tag, Has: strings.Join(instance.Tags, ", ")}
			if near := similar(tag, instance.Tags); len(near) > 0 {
				cause.Near = near[0]
			}
			causes = append(causes, cause)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(q.Meta)) {
		if has, ok := instance.Meta[key]; !ok || has != q.Meta[key] {
			causes = append(causes, metaCause(key, q.Meta[key], instance))
		}
	}
	return append(causes, q.healthCauses(instance)...)
}

func versionCause(wanted string, instance Instance) Cause {
	if instance.Version == "" {
		return Cause{Kind: VersionMissing, Wanted: wanted, Near: misplacedVersion(wanted, instance)}
	}
	cause := Cause{Kind: VersionMismatch, Wanted: wanted, Has: instance.Version}
	if sameVersion(wanted, instance.Version) {
		cause.Near = instance.Version
	}
	return cause
}

// sameVersion tells whether two versions differ only in how they are written: v1, V1, 1, 1.0 and v1.0.0.
func sameVersion(a, b string) bool { return plainVersion(a) == plainVersion(b) }

func plainVersion(version string) string {
	version = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(version)), "v")
	for strings.HasSuffix(version, ".0") {
		version = strings.TrimSuffix(version, ".0")
	}
	return version
}

// misplacedVersion is where an instance without a version seems to have put the one that is wanted.
func misplacedVersion(wanted string, instance Instance) string {
	for _, key := range slices.Sorted(maps.Keys(instance.Meta)) {
		if strings.Contains(strings.ToLower(key), versionKey) && sameVersion(instance.Meta[key], wanted) {
			return key + "=" + instance.Meta[key]
		}
	}
	for _, tag := range instance.Tags {
		if value := strings.TrimLeft(strings.TrimPrefix(strings.ToLower(tag), versionKey), "=:-_"); sameVersion(value, wanted) {
			return "tag " + tag
		}
	}
	return ""
}

func metaCause(key, wanted string, instance Instance) Cause {
	cause := Cause{Kind: MetaMismatch, Wanted: key + "=" + wanted, Has: instance.Meta[key]}
	if strings.EqualFold(strings.TrimSpace(cause.Has), strings.TrimSpace(wanted)) {
		cause.Near = cause.Has
	}
	if _, is := instance.Meta[key]; is {
		return cause
	}
	cause.Kind = MetaMissing
	for _, other := range slices.Sorted(maps.Keys(instance.Meta)) {
		if strings.EqualFold(other, key) {
			cause.Near = other + "=" + instance.Meta[other]
		}
	}
	return cause
}

func (q Query) healthCauses(instance Instance) []Cause {
	if q.level() == Any {
		return nil
	}
	var causes []Cause
	for _, check := range instance.Checks {
		if state := check.state(); state.rank() > q.level().rank() {
			causes = append(causes, Cause{
				Kind: kindOf(check), Wanted: string(q.level()), Has: string(state), Failure: failureOf(check), Check: &check,
			})
		}
	}
	return causes
}

// serfCheck is the check that every node has: whether the other agents reach its own.
const serfCheck = "serfHealth"

func kindOf(check Check) CauseKind {
	switch state := check.state(); {
	case check.drains():
		return Draining
	case state == Maintenance:
		return InMaintenance
	case state == Warning:
		return CheckWarning
	case check.OnNode && check.ID == serfCheck:
		return NodeDown
	}
	return CheckCritical
}

// drains tells the check in which an instance that leaves by Keep says so: its maintenance, or its heartbeat.
func (c Check) drains() bool {
	if c.state() == Maintenance {
		return !c.OnNode && c.Notes == drainReason
	}
	return c.Kind == "ttl" && c.Status == Critical && strings.Contains(c.Output, drainPart+": "+drainReason)
}

// httpAnswer is what a check of Consul says when it was answered over HTTP, whatever the answer's body.
var httpAnswer = regexp.MustCompile(`^HTTP [A-Z]+ \S+: \d{3} `)

// failureTexts are what Consul's checks say when they fail, which is mostly what Go's network packages say.
var failureTexts = []struct {
	text    string
	failure ProbeFailure
}{
	{"connection refused", ProbeRefused},
	{"no such host", ProbeNoHost},
	{"no route to host", ProbeNoRoute},
	{"network is unreachable", ProbeNoRoute},
	{"i/o timeout", ProbeTimeout},
	{"deadline exceeded", ProbeTimeout},
	{"Client.Timeout exceeded", ProbeTimeout},
	{"code = DeadlineExceeded", ProbeTimeout},
	{"Timed out (", ProbeTimeout},
	{"x509:", ProbeTLS},
	{"tls:", ProbeTLS},
	{"serving status:", ProbeNotServing},
	{"code = NotFound", ProbeNotServing},
	{"code = Unimplemented", ProbeProtocol},
	{"malformed HTTP", ProbeProtocol},
	{"server gave HTTP response", ProbeProtocol},
	{"connection reset", ProbeClosed},
	{"EOF", ProbeClosed},
}

// failureOf reads from a failing check's output how it failed; empty is not known.
func failureOf(check Check) ProbeFailure {
	switch output := check.Output; {
	case output == "" || check.state() == Maintenance || check.OnNode && check.ID == serfCheck:
		return ""
	case check.Kind == "ttl" && strings.HasPrefix(output, ttlExpired):
		return CheckTTLExpired
	case check.Kind == "ttl":
		return CheckReported
	case httpAnswer.MatchString(output):
		return ProbeHTTPStatus
	default:
		for _, known := range failureTexts {
			if strings.Contains(output, known.text) {
				return known.failure
			}
		}
		return ProbeOther
	}
}

// ttlExpired begins what Consul says of a TTL check that nobody reported to in time.
const ttlExpired = "TTL expired"

func containsFold(list []string, wanted string) bool {
	return slices.ContainsFunc(list, func(has string) bool { return strings.EqualFold(has, wanted) })
}

// confirmSilence marks the causes whose check has no result yet, as its own agent says.
func confirmSilence(instance Instance, causes []Cause, own map[string]*wireCheck) {
	for i, cause := range causes {
		if cause.Kind != CheckCritical || cause.Check.Output != "" {
			continue
		}
		if known := own[cause.Check.ID]; known != nil && known.Node == instance.Node && known.Output == "" {
			causes[i].Kind = CheckNotRun
		}
	}
}
