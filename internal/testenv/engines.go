//go:build unix

package testenv

// An Engine can be installed ahead of the tests that start it.
type Engine struct {
	Name    string                 // name and version
	Install func() (string, error) // returns its folder, at once when it is there
}

// Engines lists the engines, those that are quick to install first.
func Engines() []Engine {
	return []Engine{
		{"kafka-" + KafkaVersion, installKafka},
		{"apicurio-registry-" + RegistryVersion, installRegistry},
		{"postgresql", installPostgres},
		{"consul-" + ConsulVersion, installConsul},
		{"kube-" + KubeVersion, installKube},
	}
}

func installKafka() (string, error) {
	return install("kafka-"+KafkaVersion, func(dir string) error { return maven(dir, kafkaPOM, kafkaSums) })
}

func installRegistry() (string, error) {
	return install("apicurio-registry-"+RegistryVersion, unpackRegistry)
}

func installConsul() (string, error) {
	return install("consul-"+ConsulVersion, func(dir string) error {
		return goBuild(dir, "consul", "consul", "github.com/hashicorp/consul")
	})
}

func installKube() (string, error) {
	return install("kube-"+KubeVersion, buildKube)
}
