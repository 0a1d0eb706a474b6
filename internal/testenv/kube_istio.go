//go:build unix

package testenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// istioModule holds Istio's definitions. Nothing here imports it, so no go.mod
// pins it; go verifies it by the checksum database.
const istioModule = "istio.io/api@v1.31.4"

// defineIstio creates Istio's custom resource definitions, as its API module
// publishes them, and waits until the API server serves each.
func (s *KubeServer) defineIstio() error {
	text, err := istioDefinitions()
	if err != nil {
		return err
	}
	config, err := s.Config()
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	names, err := createDefinitions(client.Resource(definitions), text)
	if err != nil {
		return fmt.Errorf("define istio's resources: %w", err)
	}
	return s.apiserver.awaitReady(func(ctx context.Context) error {
		return established(ctx, client.Resource(definitions), names)
	})
}

// istioDefinitions reads the manifest out of Istio's API module.
func istioDefinitions() ([]byte, error) {
	dir, err := IstioAPI()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "kubernetes", "customresourcedefinitions.gen.yaml"))
}

// IstioAPI returns the folder of Istio's API module, its protos among it; it
// is downloaded when it is not in the module cache.
func IstioAPI() (dir string, err error) {
	cmd := exec.Command("go", "mod", "download", "-json", istioModule)
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", cmd, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(output, &module); err != nil {
		return "", fmt.Errorf("%s: %w", cmd, err)
	}
	return module.Dir, nil
}

func createDefinitions(client dynamic.ResourceInterface, text []byte) ([]string, error) {
	var names []string
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return names, nil
		} else if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(object.GetName(), ".istio.io") {
			continue // an empty document
		}
		if _, err := client.Create(context.Background(), &object, metav1.CreateOptions{}); err != nil {
			return nil, err
		}
		names = append(names, object.GetName())
	}
}

func established(ctx context.Context, client dynamic.ResourceInterface, names []string) error {
	list, err := client.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	ready := map[string]bool{}
	for _, definition := range list.Items {
		conditions, _, _ := unstructured.NestedSlice(definition.Object, "status", "conditions")
		for _, condition := range conditions {
			c, _ := condition.(map[string]any)
			if c["type"] == "Established" && c["status"] == "True" {
				ready[definition.GetName()] = true
			}
		}
	}
	for _, name := range names {
		if !ready[name] {
			return fmt.Errorf("%s is not served yet", name)
		}
	}
	return nil
}
