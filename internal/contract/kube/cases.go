package kube

import (
	"encoding/json"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

var cases = []struct {
	name string
	run  func(*world)
}{
	{"create gives identity", createGivesIdentity},
	{"create twice is AlreadyExists", createTwice},
	{"generateName makes a name", generateName},
	{"an unknown namespace is NotFound", unknownNamespace},
	{"an unknown object is NotFound", unknownObject},
	{"update with an old resourceVersion conflicts", staleUpdate},
	{"update of a custom resource wants a resourceVersion", updateWithoutVersion},
	{"update changes generation only with the specification", generation},
	{"merge patch changes and removes", mergePatches},
	{"JSON patch with a failing test changes nothing", jsonPatches},
	{"dry run stores nothing", dryRun},
	{"strict validation names the unknown field", strictValidation},
	{"a value of the wrong type is refused", wrongType},
	{"a Job needs a restart policy", invalidJob},
	{"list by label", listByLabel},
	{"watch sees adds, changes and deletes", watches},
	{"every version serves the same object", versions},
	{"delete of another uid conflicts", deletePrecondition},
	{"Background delete takes what is owned", backgroundDelete},
	{"Foreground delete takes what is owned first", foregroundDelete},
	{"delete of a Job without a policy orphans", orphanByDefault},
	{"an object of an absent owner is collected", absentOwner},
	{"a suspended Job does not start", suspendedJob},
	{"dead man: the deadline takes Job and VirtualService", deadManFires},
	{"dead man: a patch extends the deadline", deadManExtended},
	{"dead man: a patch shortens the deadline", deadManShortened},
	{"a deleted namespace takes its objects", namespaceDeleted},
}

func createGivesIdentity(w *world) {
	o := w.create(virtualservices, virtualService("a"))
	created := o.GetCreationTimestamp()
	if o.GetUID() == "" || o.GetResourceVersion() == "" || created.IsZero() || o.GetGeneration() != 1 {
		w.t.Fatalf("identity is incomplete: %v", o.Object["metadata"])
	}
}

func createTwice(w *world) {
	w.create(configmaps, configMap("a", nil))
	_, err := w.at(configmaps).Create(w.ctx, configMap("a", nil), metav1.CreateOptions{})
	w.want("AlreadyExists", apierrors.IsAlreadyExists, err)
}

func generateName(w *world) {
	o := configMap("", nil)
	o.SetGenerateName("made-")
	if name := w.create(configmaps, o).GetName(); !strings.HasPrefix(name, "made-") || len(name) != len("made-")+5 {
		w.t.Fatalf("made the name %q", name)
	}
}

func unknownNamespace(w *world) {
	_, err := w.client.Resource(configmaps).Namespace("no-such-namespace").Create(w.ctx, configMap("a", nil), metav1.CreateOptions{})
	w.want("NotFound", apierrors.IsNotFound, err)
	if !strings.Contains(err.Error(), `namespaces "no-such-namespace" not found`) {
		w.t.Fatalf("the message does not name the namespace: %v", err)
	}
}

func unknownObject(w *world) {
	_, err := w.at(virtualservices).Get(w.ctx, "none", metav1.GetOptions{})
	w.want("NotFound", apierrors.IsNotFound, err)
	w.want("NotFound", apierrors.IsNotFound, w.at(virtualservices).Delete(w.ctx, "none", metav1.DeleteOptions{}))
}

func staleUpdate(w *world) {
	first := w.create(virtualservices, virtualService("a"))
	second := first.DeepCopy()
	second.SetLabels(map[string]string{"by": "second"})
	_, err := w.at(virtualservices).Update(w.ctx, second, metav1.UpdateOptions{})
	w.must(err)
	first.SetLabels(map[string]string{"by": "first"})
	_, err = w.at(virtualservices).Update(w.ctx, first, metav1.UpdateOptions{})
	w.want("Conflict", apierrors.IsConflict, err)
}

func updateWithoutVersion(w *world) {
	o := w.create(virtualservices, virtualService("a"))
	o.SetResourceVersion("")
	_, err := w.at(virtualservices).Update(w.ctx, o, metav1.UpdateOptions{})
	w.want("Invalid", apierrors.IsInvalid, err)
	c := w.create(configmaps, configMap("a", nil))
	c.SetResourceVersion("")
	_, err = w.at(configmaps).Update(w.ctx, c, metav1.UpdateOptions{})
	w.must(err)
}

func generation(w *world) {
	o := w.create(virtualservices, virtualService("a"))
	o.SetLabels(map[string]string{"a": "b"})
	o, err := w.at(virtualservices).Update(w.ctx, o, metav1.UpdateOptions{})
	w.must(err)
	if o.GetGeneration() != 1 {
		w.t.Fatalf("a label made generation %d", o.GetGeneration())
	}
	w.must(unstructured.SetNestedStringSlice(o.Object, []string{"other"}, "spec", "hosts"))
	o, err = w.at(virtualservices).Update(w.ctx, o, metav1.UpdateOptions{})
	w.must(err)
	if o.GetGeneration() != 2 {
		w.t.Fatalf("a new host made generation %d", o.GetGeneration())
	}
	same, err := w.at(virtualservices).Update(w.ctx, o, metav1.UpdateOptions{})
	w.must(err)
	if same.GetResourceVersion() != o.GetResourceVersion() {
		w.t.Fatal("an update that changes nothing made a new resourceVersion")
	}
}

func (w *world) patch(name string, kind types.PatchType, body string) (*unstructured.Unstructured, error) {
	return w.at(virtualservices).Patch(w.ctx, name, kind, []byte(body), metav1.PatchOptions{})
}

func mergePatches(w *world) {
	o := virtualService("a")
	o.SetLabels(map[string]string{"keep": "1", "drop": "1"})
	w.create(virtualservices, o)
	o, err := w.patch("a", types.MergePatchType, `{"metadata":{"labels":{"drop":null,"new":"1"}},"spec":{"hosts":["other"]}}`)
	w.must(err)
	labels := o.GetLabels()
	hosts, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "hosts")
	if len(labels) != 2 || labels["keep"] != "1" || labels["new"] != "1" || len(hosts) != 1 || hosts[0] != "other" {
		w.t.Fatalf("patched to labels %v, hosts %v", labels, hosts)
	}
	_, err = w.patch("a", types.MergePatchType, `{"metadata":{"resourceVersion":"1"}}`)
	w.want("Conflict", apierrors.IsConflict, err)
}

func jsonPatches(w *world) {
	before := w.create(virtualservices, virtualService("a"))
	_, err := w.patch("a", types.JSONPatchType, `[{"op":"test","path":"/spec/hosts/0","value":"nobody"},{"op":"remove","path":"/spec/http"}]`)
	w.want("Invalid", apierrors.IsInvalid, err)
	if now := w.get(virtualservices, "a"); now.GetResourceVersion() != before.GetResourceVersion() {
		w.t.Fatal("a patch whose test failed changed the object")
	}
	after, err := w.patch("a", types.JSONPatchType, `[{"op":"test","path":"/spec/hosts/0","value":"auth-service"},{"op":"add","path":"/spec/hosts/-","value":"b"},{"op":"replace","path":"/spec/hosts/0","value":"c"}]`)
	w.must(err)
	if hosts, _, _ := unstructured.NestedStringSlice(after.Object, "spec", "hosts"); strings.Join(hosts, ",") != "c,b" {
		w.t.Fatalf("patched to hosts %v", hosts)
	}
}

func dryRun(w *world) {
	all := []string{metav1.DryRunAll}
	o, err := w.at(virtualservices).Create(w.ctx, virtualService("dry"), metav1.CreateOptions{DryRun: all})
	w.must(err)
	if o.GetUID() == "" {
		w.t.Fatal("a dry run shows no uid")
	}
	_, err = w.at(virtualservices).Get(w.ctx, "dry", metav1.GetOptions{})
	w.want("NotFound", apierrors.IsNotFound, err)
	w.create(virtualservices, virtualService("kept"))
	w.must(w.at(virtualservices).Delete(w.ctx, "kept", metav1.DeleteOptions{DryRun: all}))
	w.get(virtualservices, "kept")
}

func strictValidation(w *world) {
	o := virtualService("a")
	w.must(unstructured.SetNestedField(o.Object, "x", "spec", "nonsense"))
	_, err := w.at(virtualservices).Create(w.ctx, o, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	w.want("BadRequest", apierrors.IsBadRequest, err)
	if !strings.Contains(err.Error(), `unknown field "spec.nonsense"`) {
		w.t.Fatalf("the message does not name the field: %v", err)
	}
	created, err := w.at(virtualservices).Create(w.ctx, o, metav1.CreateOptions{FieldValidation: metav1.FieldValidationIgnore})
	w.must(err)
	if _, there, _ := unstructured.NestedString(created.Object, "spec", "nonsense"); there {
		w.t.Fatal("an unknown field was stored")
	}
}

func wrongType(w *world) {
	o := virtualService("a")
	w.must(unstructured.SetNestedField(o.Object, "auth-service", "spec", "hosts"))
	_, err := w.at(virtualservices).Create(w.ctx, o, metav1.CreateOptions{})
	w.want("Invalid", apierrors.IsInvalid, err)
	job := deadMan("a", 5)
	w.must(unstructured.SetNestedField(job.Object, "soon", "spec", "activeDeadlineSeconds"))
	_, err = w.at(jobs).Create(w.ctx, job, metav1.CreateOptions{})
	w.want("BadRequest", apierrors.IsBadRequest, err)
}

func invalidJob(w *world) {
	job := deadMan("a", 5)
	unstructured.RemoveNestedField(job.Object, "spec", "template", "spec", "restartPolicy")
	_, err := w.at(jobs).Create(w.ctx, job, metav1.CreateOptions{})
	w.want("Invalid", apierrors.IsInvalid, err)
}

func listByLabel(w *world) {
	w.create(configmaps, configMap("a", map[string]string{"lease": "one"}))
	w.create(configmaps, configMap("b", map[string]string{"lease": "two"}))
	w.create(configmaps, configMap("c", nil))
	for selector, want := range map[string]string{"lease": "a,b", "lease=two": "b", "lease!=two,lease": "a", "lease in (one,two)": "a,b", "lease=three": ""} {
		list, err := w.at(configmaps).List(w.ctx, metav1.ListOptions{LabelSelector: selector})
		w.must(err)
		var names []string
		for _, o := range list.Items {
			names = append(names, o.GetName())
		}
		if got := strings.Join(names, ","); got != want {
			w.t.Errorf("%s lists %q, want %q", selector, got, want)
		}
	}
}

func watches(w *world) {
	list, err := w.at(configmaps).List(w.ctx, metav1.ListOptions{LabelSelector: "watched"})
	w.must(err)
	events, err := w.at(configmaps).Watch(w.ctx, metav1.ListOptions{LabelSelector: "watched", ResourceVersion: list.GetResourceVersion()})
	w.must(err)
	defer events.Stop()
	next := func(want watch.EventType) {
		w.t.Helper()
		select {
		case e, open := <-events.ResultChan():
			if !open || e.Type != want {
				w.t.Fatalf("got event %q, want %q", e.Type, want)
			}
		case <-time.After(patience):
			w.t.Fatalf("no event %q", want)
		}
	}
	w.create(configmaps, configMap("unseen", nil))
	o := w.create(configmaps, configMap("a", map[string]string{"watched": "yes"}))
	next(watch.Added)
	w.must(unstructured.SetNestedField(o.Object, "changed", "data", "k"))
	o, err = w.at(configmaps).Update(w.ctx, o, metav1.UpdateOptions{})
	w.must(err)
	next(watch.Modified)
	o.SetLabels(nil)
	_, err = w.at(configmaps).Update(w.ctx, o, metav1.UpdateOptions{})
	w.must(err)
	next(watch.Deleted) // it left the selection
}

func versions(w *world) {
	w.create(virtualservices, virtualService("a"))
	for _, version := range []string{"v1", "v1beta1", "v1alpha3"} {
		r := virtualservices
		r.Version = version
		if o := w.get(r, "a"); o.GetAPIVersion() != "networking.istio.io/"+version {
			w.t.Errorf("%s serves %s", version, o.GetAPIVersion())
		}
	}
}

func deletePrecondition(w *world) {
	w.create(configmaps, configMap("a", nil))
	other := types.UID("00000000-0000-0000-0000-000000000000")
	err := w.at(configmaps).Delete(w.ctx, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	w.want("Conflict", apierrors.IsConflict, err)
	w.get(configmaps, "a")
}

// lease makes a dead-man Job and a VirtualService that it owns, once the Job runs.
func (w *world) lease(seconds int64) {
	w.t.Helper()
	job := w.create(jobs, deadMan("lease", seconds))
	w.waitFor(jobs, "lease", started)
	w.create(virtualservices, ownedBy(virtualService("shadow"), job))
}

func (w *world) deleteJob(policy metav1.DeletionPropagation) {
	w.t.Helper()
	w.must(w.at(jobs).Delete(w.ctx, "lease", metav1.DeleteOptions{PropagationPolicy: &policy}))
	w.waitFor(jobs, "lease", gone)
}

func backgroundDelete(w *world) {
	w.lease(600)
	w.deleteJob(metav1.DeletePropagationBackground)
	w.waitFor(virtualservices, "shadow", gone)
}

func foregroundDelete(w *world) {
	w.lease(600)
	w.deleteJob(metav1.DeletePropagationForeground)
	w.waitFor(virtualservices, "shadow", gone)
}

func orphanByDefault(w *world) {
	w.lease(600)
	w.must(w.at(jobs).Delete(w.ctx, "lease", metav1.DeleteOptions{}))
	w.waitFor(jobs, "lease", gone)
	if refs := w.get(virtualservices, "shadow").GetOwnerReferences(); len(refs) != 0 {
		w.t.Fatalf("the orphan still names its owner: %v", refs)
	}
}

func absentOwner(w *world) {
	job := w.create(jobs, deadMan("lease", 600))
	w.deleteJob(metav1.DeletePropagationBackground)
	w.create(virtualservices, ownedBy(virtualService("late"), job))
	w.waitFor(virtualservices, "late", gone)
}

func suspendedJob(w *world) {
	job := deadMan("lease", 1)
	w.must(unstructured.SetNestedField(job.Object, true, "spec", "suspend"))
	w.create(jobs, job)
	suspended := func(o *unstructured.Unstructured) bool {
		raw, _ := json.Marshal(o.Object["status"])
		return strings.Contains(string(raw), `"Suspended"`)
	}
	w.waitFor(jobs, "lease", suspended)
	if started(w.get(jobs, "lease")) {
		w.t.Fatal("a suspended Job has started")
	}
	_, err := w.at(jobs).Patch(w.ctx, "lease", types.MergePatchType, []byte(`{"spec":{"suspend":false}}`), metav1.PatchOptions{})
	w.must(err)
	w.waitFor(jobs, "lease", gone) // resumed, it runs into its deadline
}

// fires waits until the lease's VirtualService is gone and checks that this took between low and high since start.
func (w *world) fires(start time.Time, low, high time.Duration) {
	w.t.Helper()
	took := w.waitFor(virtualservices, "shadow", gone).Sub(start)
	w.waitFor(jobs, "lease", gone)
	if took < low || took > high {
		w.t.Fatalf("gone after %v, want %v to %v", took, low, high)
	}
}

// The controllers keep whole seconds, so a deadline may come up to one second early; high leaves room for a slow machine.

func deadManFires(w *world) {
	start := time.Now()
	w.lease(2)
	w.fires(start, time.Second, 12*time.Second)
}

func deadManExtended(w *world) {
	start := time.Now()
	w.lease(2)
	w.setDeadline("4")
	w.fires(start, 3*time.Second, 14*time.Second)
}

func deadManShortened(w *world) {
	start := time.Now()
	w.lease(600)
	w.setDeadline("1")
	w.fires(start, 0, 12*time.Second)
}

func (w *world) setDeadline(seconds string) {
	w.t.Helper()
	_, err := w.at(jobs).Patch(w.ctx, "lease", types.MergePatchType, []byte(`{"spec":{"activeDeadlineSeconds":`+seconds+`}}`), metav1.PatchOptions{})
	w.must(err)
}

func namespaceDeleted(w *world) {
	name := w.namespace + "-doomed"
	_, err := w.client.Resource(namespaces).Create(w.ctx, object("v1", "Namespace", name, nil), metav1.CreateOptions{})
	w.must(err)
	_, err = w.client.Resource(configmaps).Namespace(name).Create(w.ctx, configMap("a", nil), metav1.CreateOptions{})
	w.must(err)
	w.must(w.client.Resource(namespaces).Delete(w.ctx, name, metav1.DeleteOptions{}))
	inner := &world{t: w.t, ctx: w.ctx, client: w.client, namespace: name}
	inner.waitFor(configmaps, "a", gone)
}
