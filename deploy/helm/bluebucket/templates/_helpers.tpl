{{/* One name for all of it: the release's, or that with the chart's. */}}
{{- define "bluebucket.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 57 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 57 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What a selector goes by: it can never change. */}}
{{- define "bluebucket.selector" -}}
app.kubernetes.io/name: bluebucket
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "bluebucket.labels" -}}
{{ include "bluebucket.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}
