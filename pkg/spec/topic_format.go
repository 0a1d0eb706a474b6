package spec

import (
	"errors"
	"fmt"
	"strings"
)

func (f TopicFormat) validate() error {
	errs := []error{f.validateFormat()}
	if len(f.Environments) == 0 && strings.Contains(f.Format, "{env}") {
		errs = append(errs, errors.New("topic.environments is empty: name at least one"))
	}
	for _, env := range f.Environments {
		if !isKebab(env) {
			errs = append(errs, fmt.Errorf("topic.environments has %q: want kebab-case", env))
		}
	}
	return errors.Join(append(errs, distinct(f.Environments))...)
}

func (f TopicFormat) validateFormat() error {
	var seen Topic
	for part := range strings.SplitSeq(f.Format, ".") {
		name, isPlaceholder := placeholder(part)
		if !isPlaceholder {
			if part == "" || !legalTopicChars(part) {
				return fmt.Errorf("topic.format %q: the part %q is neither a placeholder nor a word", f.Format, part)
			}
			continue
		}
		field := seen.part(name)
		if field == nil {
			return fmt.Errorf("topic.format %q: {%s} is unknown: want {env}, {service}, {event} or {version}", f.Format, name)
		}
		if *field != "" {
			return fmt.Errorf("topic.format %q: {%s} is there twice", f.Format, name)
		}
		*field = name
	}
	if seen.Event == "" {
		return fmt.Errorf("topic.format %q: {event} is missing", f.Format)
	}
	return nil
}
