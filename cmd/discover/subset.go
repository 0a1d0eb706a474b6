package discover

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/suokelife/suokectl/internal/failure"
)

// destinationRule is the part of Istio's resource that names subsets
// (https://istio.io/latest/docs/reference/config/networking/destination-rule/#Subset). Other kinds of resources, and
// what else it has, are passed over: checking it is the linter's.
type destinationRule struct {
	Kind string `yaml:"kind"`
	Spec struct {
		Host    string `yaml:"host"`
		Subsets []struct {
			Name   string            `yaml:"name"`
			Labels map[string]string `yaml:"labels"`
		} `yaml:"subsets"`
	} `yaml:"spec"`
}

// subsetLabels returns the labels of a subset in the DestinationRules of a file of YAML documents.
func subsetLabels(path, name string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read subset %s: %w", name, err)
	}
	defer file.Close()
	found := map[string]map[string]string{} // by the rule's host
	var known []string
	for decoder := yaml.NewDecoder(file); ; {
		var rule destinationRule
		if err := decoder.Decode(&rule); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, failure.Usagef("read subset %s of %s: %s", name, path, firstLine(err))
		}
		if rule.Kind != "DestinationRule" {
			continue
		}
		for _, subset := range rule.Spec.Subsets {
			known = append(known, subset.Name)
			if subset.Name == name {
				found[rule.Spec.Host] = subset.Labels
			}
		}
	}
	return only(found, path, name, known)
}

// only returns the one that was found.
func only(found map[string]map[string]string, path, name string, known []string) (map[string]string, error) {
	hosts := slices.Sorted(maps.Keys(found))
	switch len(hosts) {
	case 1:
		return found[hosts[0]], nil
	case 0:
		if len(known) == 0 {
			return nil, failure.Usagef("%s has no DestinationRule with subsets", path)
		}
		return nil, failure.Usagef("no DestinationRule in %s has subset %s; there are %s", path, name, strings.Join(known, ", "))
	}
	return nil, failure.Usagef("subset %s is in the DestinationRules of %s: give a file with one of them", name, strings.Join(hosts, " and "))
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
