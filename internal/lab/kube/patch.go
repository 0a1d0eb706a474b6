package kube

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// applyPatch returns target with a patch applied: a merge patch (RFC 7396) or a JSON patch (RFC 6902).
func applyPatch(contentType string, target map[string]any, patch []byte) (map[string]any, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	switch types.PatchType(media) {
	case types.MergePatchType:
		var changes map[string]any
		if err := utiljson.Unmarshal(patch, &changes); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return mergePatch(target, changes).(map[string]any), nil
	case types.JSONPatchType:
		return jsonPatch(target, patch)
	}
	return nil, apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, "patch", schema.GroupResource{}, "",
		"the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json", 0, false)
}

func mergePatch(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	result, ok := target.(map[string]any)
	if !ok {
		result = map[string]any{}
	}
	for name, change := range changes {
		if change == nil {
			delete(result, name)
		} else {
			result[name] = mergePatch(result[name], change)
		}
	}
	return result
}

type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	From  string          `json:"from"`
	Value json.RawMessage `json:"value"`
}

func jsonPatch(target map[string]any, patch []byte) (map[string]any, error) {
	var operations []operation
	if err := json.Unmarshal(patch, &operations); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	var document any = target
	for _, op := range operations {
		var err error
		if document, err = op.apply(document); err != nil {
			return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "",
				fmt.Sprintf("%s operation at %s: %v", op.Op, op.Path, err), 0, false)
		}
	}
	result, ok := document.(map[string]any)
	if !ok {
		return nil, apierrors.NewBadRequest("the patched document is no object")
	}
	return result, nil
}

func (op operation) apply(document any) (any, error) {
	var value any
	if op.Value != nil {
		if err := utiljson.Unmarshal(op.Value, &value); err != nil {
			return nil, err
		}
	}
	switch op.Op {
	case "add":
		return edit(document, op.Path, insertAt(value))
	case "replace":
		return edit(document, op.Path, replaceAt(value))
	case "remove":
		return edit(document, op.Path, removeAt)
	case "test":
		found, err := at(document, op.Path)
		if err == nil && !reflect.DeepEqual(found, value) {
			err = fmt.Errorf("testing value %s failed", op.Path)
		}
		return document, err
	case "copy", "move":
		found, err := at(document, op.From)
		if err != nil {
			return nil, err
		}
		if op.Op == "move" {
			if document, err = edit(document, op.From, removeAt); err != nil {
				return nil, err
			}
		}
		return edit(document, op.Path, insertAt(runtime.DeepCopyJSONValue(found)))
	}
	return nil, fmt.Errorf("unknown operation %q", op.Op)
}

// pointer splits a JSON pointer (RFC 6901).
func pointer(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	if path[0] != '/' {
		return nil, fmt.Errorf("the path does not start with a slash")
	}
	steps := strings.Split(path[1:], "/")
	for i, step := range steps {
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
	}
	return steps, nil
}

func at(document any, path string) (any, error) {
	steps, err := pointer(path)
	for _, step := range steps {
		if err != nil {
			return nil, err
		}
		document, err = child(document, step)
	}
	return document, err
}

func child(node any, step string) (any, error) {
	switch v := node.(type) {
	case map[string]any:
		if found, there := v[step]; there {
			return found, nil
		}
	case []any:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(v) {
			return v[i], nil
		}
	}
	return nil, fmt.Errorf("doc is missing key: %s", step)
}

// An editor returns container with its element called step changed.
type editor func(container any, step string) (any, error)

// edit rebuilds the document with the container of the path's last step edited.
func edit(document any, path string, change editor) (any, error) {
	steps, err := pointer(path)
	if err != nil {
		return nil, err
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("the whole document cannot be patched")
	}
	return editSteps(document, steps, change)
}

func editSteps(node any, steps []string, change editor) (any, error) {
	if len(steps) == 1 {
		return change(node, steps[0])
	}
	inner, err := child(node, steps[0])
	if err != nil {
		return nil, err
	}
	if inner, err = editSteps(inner, steps[1:], change); err != nil {
		return nil, err
	}
	return replaceAt(inner)(node, steps[0])
}

func insertAt(value any) editor {
	return func(container any, step string) (any, error) {
		switch v := container.(type) {
		case map[string]any:
			v[step] = value
			return v, nil
		case []any:
			if step == "-" {
				return append(v, value), nil
			}
			if i, err := strconv.Atoi(step); err == nil && i >= 0 && i <= len(v) {
				return slices.Insert(v, i, value), nil
			}
		}
		return nil, fmt.Errorf("cannot add at %s", step)
	}
}

func replaceAt(value any) editor {
	return func(container any, step string) (any, error) {
		if _, err := child(container, step); err != nil {
			return nil, err
		}
		switch v := container.(type) {
		case map[string]any:
			v[step] = value
		case []any:
			i, _ := strconv.Atoi(step) // child has seen that it is an index
			v[i] = value
		}
		return container, nil
	}
}

func removeAt(container any, step string) (any, error) {
	if _, err := child(container, step); err != nil {
		return nil, err
	}
	switch v := container.(type) {
	case map[string]any:
		delete(v, step)
	case []any:
		i, _ := strconv.Atoi(step) // child has seen that it is an index
		return slices.Delete(v, i, i+1), nil
	}
	return container, nil
}
