{{- define "cds.labels" -}}
app.kubernetes.io/name: cds-service
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
{{- define "cds.selector" -}}
app.kubernetes.io/name: cds-service
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
{{- define "cds.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.tag }}:{{ . }}{{ end }}
{{- end -}}
