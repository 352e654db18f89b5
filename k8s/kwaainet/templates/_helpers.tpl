{{- define "kwaainet.name" -}}
{{- .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "kwaainet.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kwaainet.selector" -}}
app.kubernetes.io/name: {{ include "kwaainet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kwaainet.labels" -}}
{{ include "kwaainet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The node's file: sections as TOML, whose values are JSON's. */}}
{{- define "kwaainet.toml" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- if .Values.metrics.enabled -}}
{{- $http := dict "http" true "http_listen" (list (printf "/ip4/0.0.0.0/tcp/%d" (int .Values.metrics.port))) -}}
{{- $_ := set $settings "status" (mergeOverwrite $http (get $settings "status" | default dict)) -}}
{{- end -}}
{{- with .Values.exposure.externalAddresses -}}
{{- if gt (int $.Values.replicas) 1 -}}
{{- fail "exposure.externalAddresses are those of one node: install a release for each, or leave replicas at 1" -}}
{{- end -}}
{{- $_ := set $settings "node" (merge (dict "external_address" .) (get $settings "node" | default dict)) -}}
{{- end -}}
{{- range $section, $options := $settings }}
[{{ $section }}]
{{- range $name, $value := $options }}
{{ $name }} = {{ toJson $value }}
{{- end }}
{{ end -}}
{{- end -}}
