"""Why the office's papers say no."""

from kernel.refusals import Refusal


class TemplateUnknown(Refusal):
    code = "TEMPLATE_UNKNOWN"
    zh = "没有该文书格式的第{version}版。"
    en = "There is no version {version} of the template {kind}."


class TemplateMalformed(Refusal):
    code = "TEMPLATE_MALFORMED"
    zh = "文书格式有误：{why}。"
    en = "The wording cannot be used: {why}."


class TemplateDecided(Refusal):
    code = "TEMPLATE_DECIDED"
    zh = "该版文书格式已经审查，不能再次审查。"
    en = "This version has been decided and stays as it is."


class TemplateOwn(Refusal):
    code = "TEMPLATE_OWN"
    zh = "起草人不得审查自己起草的文书格式。"
    en = "Who drafted a version does not decide on it."
