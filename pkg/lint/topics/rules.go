package topics

import (
	"github.com/suokelife/suokectl/pkg/lint"
	"github.com/suokelife/suokectl/pkg/spec"
)

// The ids of the rules.
const (
	format     = "TOPIC_FORMAT"
	env        = "TOPIC_ENVIRONMENT"
	service    = "TOPIC_SERVICE"
	event      = "TOPIC_EVENT"
	version    = "TOPIC_VERSION"
	length     = "TOPIC_LENGTH"
	characters = "TOPIC_CHARACTERS"
	collision  = "TOPIC_COLLISION"
	duplicate  = "TOPIC_DUPLICATE"
	orphan     = "TOPIC_ORPHAN_LETTERS"
)

// ruleOf returns the rule for what is wrong with a part of a name.
func ruleOf(part string) string {
	switch part {
	case spec.PartEnv:
		return env
	case spec.PartService:
		return service
	case spec.PartEvent:
		return event
	case spec.PartVersion:
		return version
	case spec.PartLength:
		return length
	case spec.PartCharacters:
		return characters
	default:
		return format
	}
}

func rules() []lint.Rule {
	const good = "prod.auth-service.user-registered.v1"
	rule := func(id string, severity lint.Severity, summary, why, good, bad string) lint.Rule {
		return lint.Rule{ID: id, Kind: Name, Severity: severity, Summary: summary, Why: why, Good: good, Bad: bad}
	}
	return []lint.Rule{
		rule(format, lint.Error, "A topic has the parts of the format, {env}.{service}.{event}.{version} unless the conventions say otherwise.",
			"Access rules, dashboards, schemas and dead letters are derived from the parts of the name.", good, "user-registered"),
		rule(env, lint.Error, "The first part is one of the known environments.",
			"An event on a topic of a misspelt environment reaches nobody, or the wrong environment.", good, "production.auth-service.user-registered.v1"),
		rule(service, lint.Error, "The service is kebab-case: words of lower-case letters and digits joined by dashes.",
			"Names are compared as they are written; two spellings are two services.", good, "prod.AuthService.user-registered.v1"),
		rule(event, lint.Error, "The event is kebab-case: words of lower-case letters and digits joined by dashes.",
			"The event is also meta.type, by which consumers choose a handler.", good, "prod.auth-service.user_registered.v1"),
		rule(version, lint.Error, "The version is v and a number from 1.",
			"Its major must equal that of meta.version, so that readers know what they read.", good, "prod.auth-service.user-registered.1.0"),
		rule(length, lint.Error, "A name leaves room for the suffixes of dead-letter and parked topics: 242 characters with the specification's.",
			"Kafka takes 249 characters. A longer name works until its first event fails and its dead-letter topic cannot be made.",
			good, "prod.auth-service.<230 letters>.v1"),
		rule(characters, lint.Error, "A name has only letters, digits, '.', '_' and '-'.",
			"Kafka refuses all others.", good, "prod.auth-service.user registered.v1"),
		rule(collision, lint.Error, "No two names differ only by '.' and '_'.",
			"Kafka's metrics replace '.' by '_', so the two are counted as one.", "orders.paid", "orders.paid and orders_paid"),
		rule(duplicate, lint.Warning, "A list names a topic once.",
			"Of two entries one is probably meant to be another topic.", good, good+" and "+good),
		rule(orphan, lint.Warning, "A dead-letter or parked topic stands beside the topic whose letters it holds.",
			"Letters of a topic that is gone can be replayed to nowhere.", good+" and "+good+".dlq", good+".dlq alone"),
	}
}
