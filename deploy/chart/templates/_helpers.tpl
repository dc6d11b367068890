{{- define "thresher.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "thresher.selector" -}}
app.kubernetes.io/name: thresher
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "thresher.labels" -}}
{{ include "thresher.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "thresher.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What is done in the namespaces of imports. docs/install.md says why, line by line; the tests run with no more. */ -}}
{{- define "thresher.rules" -}}
- apiGroups: [migration.harvesterhci.io]
  resources: [virtualmachineimports]
  verbs: [get, list, watch, patch]
- apiGroups: [migration.harvesterhci.io]
  resources: [vmwaresources, openstacksources, ovasources]
  verbs: [get, list, watch]
- apiGroups: [migration.harvesterhci.io]
  resources: [virtualmachineimports/status, vmwaresources/status, openstacksources/status, ovasources/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets, configmaps]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [resourcequotas]
  verbs: [list]
- apiGroups: [""]
  resources: [events]
  verbs: [get, create, patch]
- apiGroups: [harvesterhci.io]
  resources: [virtualmachineimages]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [kubevirt.io]
  resources: [virtualmachines]
  verbs: [get, list, watch, create, patch, delete]
{{- end -}}
